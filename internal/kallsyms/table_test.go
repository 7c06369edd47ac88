package kallsyms

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	kernelAddr = 0xffffffff81000000
	tablesAddr = 0xffffffff82351660
)

// sample makes a kernel's symbols: with aliases, with a name three times over,
// with suffixes, and as far as the kernel has such with percpu symbols and a
// name too long for one byte of length.
func sample(o order) []Symbol {
	var syms []Symbol
	add := func(addr uint64, typ byte, name string) {
		syms = append(syms, Symbol{Name: name, Addr: addr, Type: typ})
	}
	if o.addressing == percpu {
		add(0, 'A', "fixed_percpu_data")
		add(0, 'A', "__per_cpu_start")
		add(0x1000, 'A', "cpu_tss_rw")
	}
	add(kernelAddr, 'T', "_stext")
	add(kernelAddr, 'T', "_text")
	addr := uint64(kernelAddr)
	for i, verb := range []string{"read", "write", "open", "poll", "_x"} {
		for n := range 70 {
			addr += 0x40
			add(addr, "tTwW"[n%4], fmt.Sprintf("vfs_%s_%d", verb, n))
		}
		if i < 3 {
			add(addr+1, 't', "same")
		}
	}
	add(addr+2, 't', "same.isra.0")
	add(addr+3, 'T', "samey")
	if o.seqs {
		add(addr+4, 't', "_R"+strings.Repeat("NvQ7", 120))
	}
	add(kernelAddr+0x2000000, 'B', "_end")
	return syms
}

// measured fills in the sizes.
func measured(syms []Symbol) []Symbol {
	syms = slices.Clone(syms)
	for i := range syms {
		for _, next := range syms[i+1:] {
			if d := next.Addr - syms[i].Addr; d != 0 {
				if d <= maxSize {
					syms[i].Size = d
				}
				break
			}
		}
	}
	return syms
}

func forEachOrder(t *testing.T, f func(t *testing.T, o order)) {
	for _, o := range orders {
		t.Run(o.name, func(t *testing.T) { f(t, o) })
	}
}

func TestTheTablesOfEveryKernelAreRead(t *testing.T) {
	forEachOrder(t, func(t *testing.T, o order) {
		want := sample(o)
		table, err := Load(encode(o, tablesAddr, want))
		if err != nil {
			t.Fatal(err)
		}
		var got []Symbol
		for i := range table.Len() {
			got = append(got, table.Symbol(i))
		}
		if diff := cmp.Diff(measured(want), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAllWaysToFindAPrefixAgree(t *testing.T) {
	prefixes := []string{"", "v", "vfs_", "vfs_re", "vfs_read_1", "vfs_read_690", "same", "same.", "same.isra.0", "_", "_R", "_stext", "zzz", "A", "_RNvQ7NvQ8"}
	forEachOrder(t, func(t *testing.T, o order) {
		syms := sample(o)
		m, l := encode(o, tablesAddr, syms)
		table, err := Load(m, l)
		if err != nil {
			t.Fatal(err)
		}
		for _, prefix := range prefixes {
			want := slices.DeleteFunc(measured(syms), func(s Symbol) bool { return !strings.HasPrefix(s.Name, prefix) })
			if diff := cmp.Diff(want, slices.Collect(table.WithPrefix(prefix)), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("WithPrefix(%q) (-want +got):\n%s", prefix, diff)
			}
			if !o.seqs {
				continue
			}
			got, err := Search(m, l, prefix)
			if err != nil {
				t.Fatal(err)
			}
			slices.SortStableFunc(want, func(a, b Symbol) int { return strings.Compare(a.Name, b.Name) })
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Search(%q) (-want +got):\n%s", prefix, diff)
			}
		}
	})
}

func TestASearchWithoutItsArrayIsAnError(t *testing.T) {
	forEachOrder(t, func(t *testing.T, o order) {
		o.seqs = false
		m, l := encode(o, tablesAddr, sample(o))
		m.bytes = append(m.bytes, make([]byte, 1<<20)...)
		if found, err := Search(m, l, "vfs_read_1"); err == nil {
			t.Errorf("Search found %v", found)
		}
	})
}

func TestASearchThatFindsTooManyIsAnError(t *testing.T) {
	var syms []Symbol
	for i := range maxFound + 2 {
		syms = append(syms, Symbol{Name: fmt.Sprintf("same%d", i), Addr: kernelAddr + uint64(i), Type: 't'})
	}
	m, l := encode(orders[3], tablesAddr, syms)
	if _, err := Search(m, l, "same"); err == nil {
		t.Errorf("no error for %d symbols", len(syms))
	}
}

func TestNamesAreThoseBetweenTwoAddresses(t *testing.T) {
	forEachOrder(t, func(t *testing.T, o order) {
		table, err := Load(encode(o, tablesAddr, sample(o)))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			start, end uint64
			want       []string
		}{
			{kernelAddr, kernelAddr + 0x80, []string{"_stext", "_text", "vfs_read_0"}},
			{kernelAddr + 70*0x40, kernelAddr + 71*0x40, []string{"vfs_read_69", "same"}},
			{kernelAddr + 0x2000000, kernelAddr + 0x3000000, []string{"_end"}},
			{kernelAddr + 0x3000000, kernelAddr + 0x4000000, nil},
			{kernelAddr + 0x80, kernelAddr, nil},
		} {
			var got []string
			for name := range table.Names(c.start, c.end) {
				got = append(got, string(name))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("Names(%#x, %#x) (-want +got):\n%s", c.start, c.end, diff)
			}
		}
	})
}

func TestAnAddressIsHeldByTheFirstOfItsAliases(t *testing.T) {
	table, err := Load(encode(orders[0], tablesAddr, sample(orders[0])))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		addr uint64
		want string
	}{
		{0, "fixed_percpu_data"},
		{0xfff, "fixed_percpu_data"},
		{kernelAddr, "_stext"},
		{kernelAddr + 0x3f, "_stext"},
		{kernelAddr + 0x40, "vfs_read_0"},
		{^uint64(0), "_end"},
	} {
		i, ok := Holding(table, c.addr)
		if !ok || table.Symbol(i).Name != c.want {
			t.Errorf("Holding(%#x) = %s, %t, want %s", c.addr, table.Symbol(i).Name, ok, c.want)
		}
	}
	if i, ok := Holding(&List{}, kernelAddr); ok {
		t.Errorf("an empty table holds an address: %d", i)
	}
}

func TestTablesAreLocatedByTheirStructure(t *testing.T) {
	for _, o := range orders[:2] {
		t.Run(o.name, func(t *testing.T) {
			// Enough symbols that no stride passes over the offsets.
			syms := sample(o)
			last := syms[len(syms)-1]
			for i := range 40_000 {
				syms = append(syms, Symbol{Name: "f", Addr: last.Addr + 16*uint64(i+1), Type: 't'})
			}
			const kernel = 4 << 20
			tables, want := encode(o, kernelAddr+kernel/2+0x18, syms)
			m := image{kernelAddr, make([]byte, kernel)}
			for i := range m.bytes {
				m.bytes[i] = byte(i * i >> 7)
			}
			copy(m.bytes[tables.addr-kernelAddr:], tables.bytes)
			got, err := Locate(m, kernelAddr, kernelAddr+kernel)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			m.bytes[want.TokenIndex-m.addr+100]++
			if got, err := Locate(m, kernelAddr, kernelAddr+kernel); err == nil {
				t.Errorf("located damaged tables at %+v", got)
			}
		})
	}
}

func FuzzTablesThatLieAreErrorsAtWorst(f *testing.F) {
	f.Add(uint8(3), uint16(0), uint32(0), uint64(0), "vfs_")
	f.Add(uint8(0), uint16(7), uint32(0xffffffff), uint64(1), "same")
	f.Fuzz(func(t *testing.T, kind uint8, at uint16, lie uint32, shift uint64, prefix string) {
		o := orders[int(kind)%len(orders)]
		m, l := encode(o, tablesAddr, sample(o)[:40])
		for i := range 4 {
			m.bytes[(int(at)+i)%len(m.bytes)] ^= byte(lie >> (8 * i))
		}
		fields := []*uint64{&l.NumSyms, &l.Names, &l.TokenTable, &l.TokenIndex, &l.Offsets, &l.RelativeBase}
		*fields[shift%6] += shift / 6
		Search(m, l, prefix)
		Locate(m, m.addr&^0xffff, m.addr+1<<20)
		table, err := Load(m, l)
		if err != nil {
			return
		}
		for s := range table.WithPrefix(prefix) {
			if !strings.HasPrefix(s.Name, prefix) {
				t.Fatalf("WithPrefix(%q) yields %q", prefix, s.Name)
			}
		}
		Holding(table, kernelAddr+uint64(lie))
		for range table.Names(kernelAddr, kernelAddr+uint64(lie)) {
		}
		table.Symbol(table.Len() - 1)
	})
}
