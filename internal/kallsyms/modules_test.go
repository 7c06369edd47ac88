package kallsyms

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const modulesAddr = 0xffffffffc0000000

// A fakeModule is what encodeModules lays out.
type fakeModule struct {
	name    string
	symbols []Symbol
}

var fakeModules = []fakeModule{
	{"ext4", []Symbol{
		{Name: "ext4_sync_file", Module: "ext4", Addr: 0xffffffffc0345010, Size: 0xff0, Type: 't'},
		{Name: "ext4_ops", Module: "ext4", Addr: 0xffffffffc0347000, Size: 0x1000, Type: 'd'},
	}},
	{"empty", nil},
	{"jbd2", []Symbol{{Name: "jbd2_log_start", Module: "jbd2", Addr: 0xffffffffc0341000, Size: 0x1000, Type: 't'}}},
}

// encodeModules lays out the list's head, then the modules, each in 16 KB with
// its symbol table, names and types behind it.
func encodeModules(modules []fakeModule) image {
	const room = 16 << 10
	m := image{modulesAddr, make([]byte, room*(len(modules)+1))}
	word := func(addr, v uint64) { binary.LittleEndian.PutUint64(m.bytes[addr-modulesAddr:], v) }
	before := uint64(modulesAddr)
	for i, module := range modules {
		addr := modulesAddr + room*uint64(i+1)
		word(before, addr+moduleList)
		before = addr + moduleList
		copy(m.bytes[addr-modulesAddr+moduleName:], module.name)

		kallsyms, symtab := addr+0x2c8, addr+0x1000
		strtab, typetab := addr+0x2000, addr+0x800
		word(kallsyms-8, kallsyms)
		word(kallsyms, symtab)
		word(kallsyms+8, uint64(len(module.symbols)+1))
		word(kallsyms+16, strtab)
		word(kallsyms+24, typetab)
		name := uint64(1) // the first symbol and the first name are empty
		for i, s := range module.symbols {
			sym := symtab + symbolSize*uint64(i+1)
			word(sym, name)
			word(sym+8, s.Addr)
			word(sym+16, s.Size-8) // behind it is padding, which counts as its own
			m.bytes[typetab-modulesAddr+uint64(i)+1] = s.Type
			name += uint64(copy(m.bytes[strtab-modulesAddr+name:], s.Name)) + 1
		}
	}
	word(before, modulesAddr)
	return m
}

func TestTheSymbolsOfModulesAreReadFromMemory(t *testing.T) {
	list, names, err := LoadModules(encodeModules(fakeModules), modulesAddr)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ext4", "empty", "jbd2"}, names); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
	want := slices.Concat(fakeModules[2].symbols, fakeModules[0].symbols)
	if diff := cmp.Diff(want, all(list)); diff != "" {
		t.Errorf("symbols (-want +got):\n%s", diff)
	}
}

func TestNoModulesHaveNoSymbols(t *testing.T) {
	list, names, err := LoadModules(encodeModules(nil), modulesAddr)
	if err != nil || list.Len() != 0 || len(names) != 0 {
		t.Errorf("%d symbols of %q, %v, want none", list.Len(), names, err)
	}
}

func FuzzModulesThatLieAreErrorsAtWorst(f *testing.F) {
	f.Add(uint16(0x42c0), uint64(0))
	f.Add(uint16(0), uint64(0x4000))
	f.Add(uint16(0x42d0), uint64(1<<32-1))
	f.Fuzz(func(t *testing.T, at uint16, lie uint64) {
		m := encodeModules(fakeModules)
		at &^= 7
		was := binary.LittleEndian.Uint64(m.bytes[at:])
		binary.LittleEndian.PutUint64(m.bytes[at:], was^lie)
		if list, _, err := LoadModules(m, modulesAddr); err == nil {
			all(list)
		}
	})
}
