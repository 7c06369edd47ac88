package kallsyms

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// LoadModules reads the symbols of all modules from the memory of a 64-bit
// kernel, whose list of modules is headed by its symbol "modules" at head. It
// says also which modules it found. The way there has been the same since 5.2
// (1c7651f43777), but for how far down in a module it starts:
//
//	struct module          +0   state
//	                       +8   next, prev      the list, headed by "modules"
//	                       +24  name
//	                       ...
//	                       +n   *mod_kallsyms   points at n+8
//	                       +n+8 mod_kallsyms    *symtab, num_symtab u32, *strtab, *typetab
//
// A pointer at the word behind itself is found nowhere else in a module. It
// points elsewhere while a module is being loaded, which is an error.
func LoadModules(mem Memory, head uint64) (symbols *List, names []string, err error) {
	symbols = &List{}
	next, err := span(mem, "modules", head, head+8)
	for err == nil {
		node := binary.LittleEndian.Uint64(next)
		if node == head {
			symbols.sort()
			return symbols, names, nil
		}
		if len(names) == maxModules {
			return nil, nil, fmt.Errorf("modules: the list has no end")
		}
		var name string
		if name, next, err = symbols.addModule(mem, node-moduleList); err == nil {
			names = append(names, name)
		}
	}
	return nil, nil, err
}

const (
	maxModules = 1 << 12
	moduleList = 8
	moduleName = 24
	moduleSize = 2 << 10 // bytes of a module that are searched
	symbolSize = 24      // bytes of an Elf64_Sym
)

// addModule adds the symbols of the module at addr.
func (l *List) addModule(mem Memory, addr uint64) (name string, next []byte, err error) {
	m, err := span(mem, "a module", addr, addr+moduleSize)
	if err != nil {
		return "", nil, err
	}
	text, _, _ := bytes.Cut(m[moduleName:moduleName+64], []byte{0})
	name = string(text)
	for at := moduleName; at+40 <= len(m); at += 8 {
		if binary.LittleEndian.Uint64(m[at:]) == addr+uint64(at)+8 {
			return name, m[moduleList:], l.addTable(mem, name, m[at+8:])
		}
	}
	return "", nil, fmt.Errorf("module %q: it has no symbol table", name)
}

// addTable adds the symbols of a mod_kallsyms.
func (l *List) addTable(mem Memory, module string, k []byte) error {
	word := binary.LittleEndian.Uint64
	symtab, strtab, typetab := word(k), word(k[16:]), word(k[24:])
	n := uint64(binary.LittleEndian.Uint32(k[8:]))
	if n == 0 {
		return nil
	}
	syms, err := span(mem, "symtab of "+module, symtab, symtab+n*symbolSize)
	if err != nil {
		return err
	}
	types, err := span(mem, "typetab of "+module, typetab, typetab+n)
	if err != nil {
		return err
	}
	var end uint64 // of strtab
	for at := 0; at < len(syms); at += symbolSize {
		end = max(end, uint64(binary.LittleEndian.Uint32(syms[at:])))
	}
	names, err := span(mem, "strtab of "+module, strtab, strtab+end+maxName)
	if err != nil {
		return err
	}
	for i := range n {
		sym := syms[i*symbolSize:]
		name, _, _ := bytes.Cut(names[binary.LittleEndian.Uint32(sym):], []byte{0})
		text := fmt.Appendf(nil, "%c %s\t[%s]", types[i], name, module)
		if len(name) > 0 && name[0] != '$' && bytes.IndexByte(text, '\n') < 0 {
			l.add(word(sym[8:]), word(sym[16:]), text)
		}
	}
	return nil
}
