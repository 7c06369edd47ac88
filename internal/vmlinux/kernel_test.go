package vmlinux

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap/internal/kallsyms"
)

func parse(t *testing.T, data []byte) *Kernel {
	t.Helper()
	k, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestAKernelTellsOfItself(t *testing.T) {
	for name, data := range map[string][]byte{"amd64": sampleELF(), "arm64": sampleImage()} {
		k := parse(t, data)
		config, ok := k.Config()
		got := []string{k.Arch, k.Banner(), k.Release(), k.BuildID(), string(config), hex.EncodeToString(k.BTF())}
		want := []string{name, sampleBanner, "6.12.0-sample", sampleID, sampleConfig, hex.EncodeToString(sampleBTF())}
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAKernelWithoutThingsSaysSo(t *testing.T) {
	data := bytes.ReplaceAll(sampleELF(), []byte(".BTF\x00"), []byte(".FTB\x00"))
	data = bytes.ReplaceAll(data, []byte("IKCFG_ST"), []byte("ikcfg_st"))
	data = bytes.ReplaceAll(data, []byte("Linux version"), []byte("Minix version"))
	data = bytes.ReplaceAll(data, []byte("GNU\x00"), []byte("BSD\x00"))
	k := parse(t, data)
	if config, ok := k.Config(); ok || k.Banner() != "" || k.Release() != "" || k.BuildID() != "" || k.BTF() != nil {
		t.Errorf("config %q, banner %q, release %q, build id %q, %d bytes of BTF, want none", config, k.Banner(), k.Release(), k.BuildID(), len(k.BTF()))
	}
	if _, err := k.Layout(); err == nil || !strings.Contains(err.Error(), "no table of symbols in this kernel") {
		t.Errorf("%v, want an error that there are no symbols", err)
	}
}

func TestMemoryIsReadByAddress(t *testing.T) {
	k := parse(t, sampleELF())
	text := sampleText()
	for _, c := range []struct {
		addr uint64
		n    int
		want []byte // nil is an error
	}{
		{0xffffffff81000000, 16, text[:16]},
		{0xffffffff81000100, 8, text[0x100:0x108]},
		{0xffffffff81000000 + uint64(len(text)) - 4, 4, text[len(text)-4:]},
		{0xffffffff81000000 + uint64(len(text)) - 4, 8, append(bytes.Clone(text[len(text)-4:]), 0, 0, 0, 0)}, // .bss
		{0xffffffff81000000 + uint64(len(text)) + 60, 8, nil},
		{0, 8, make([]byte, 8)}, // percpu data
		{0x2000, 8, nil},
		{0xfffffffffffffff8, 16, nil},
	} {
		got := make([]byte, c.n)
		err := k.ReadMem(got, c.addr)
		if err == nil && !bytes.Equal(got, c.want) || (err != nil) != (c.want == nil) {
			t.Errorf("ReadMem(%d at %#x) = % x, %v, want % x", c.n, c.addr, got, err, c.want)
		}
		got, err = k.Bytes(c.addr, c.n)
		if err == nil && !bytes.Equal(got, c.want) || (err != nil) != (c.want == nil) {
			t.Errorf("Bytes(%#x, %d) = % x, %v, want % x", c.addr, c.n, got, err, c.want)
		}
	}
	for _, n := range []int{-1, 1 << 40} {
		if _, err := k.Bytes(0xffffffff81000000, n); err == nil {
			t.Errorf("Bytes gave %d bytes", n)
		}
	}
}

func TestBytesAreNotCopied(t *testing.T) {
	data := sampleELF()
	got, err := parse(t, data).Bytes(0xffffffff81000000, 1000)
	if err != nil || &got[0] != &data[0x1000] {
		t.Errorf("%d bytes elsewhere than in the file, %v", len(got), err)
	}
}

// The three words of the sample that the kernel would relocate lie at 0x1000,
// 0x1800, and 0x1ffc, where the last is half in the next page.
func TestAnImageIsSeenAsRelocated(t *testing.T) {
	k := parse(t, sampleImage())
	word := func(addr uint64, n int) (got []byte) {
		got = make([]byte, n)
		if err := k.ReadMem(got, addr); err != nil {
			t.Fatal(err)
		}
		again, err := k.Bytes(addr, n)
		if err != nil || !bytes.Equal(got, again) {
			t.Errorf("Bytes(%#x, %d) = % x, %v; ReadMem % x", addr, n, again, err, got)
		}
		return got
	}
	value := func(i uint64) []byte { return le.AppendUint64(nil, imageBase+0x10000+i) }
	last := uint64(imageBase + 0x1000 + 2*0x800 - 4)
	for _, c := range []struct {
		addr uint64
		want []byte
	}{
		{imageBase + 0x1000, value(0)},
		{imageBase + 0x1004, value(0)[4:]},
		{imageBase + 0x1800, value(1)},
		{imageBase + 0x1807, value(1)[7:]},
		{last, value(2)},
		{last, value(2)[:4]},
		{last + 4, value(2)[4:]},
		{imageBase + 0x1008, le.AppendUint64(nil, imageBase+0x1008-64)},
	} {
		if got := word(c.addr, len(c.want)); !bytes.Equal(got, c.want) {
			t.Errorf("%d bytes at %#x are % x, want % x", len(c.want), c.addr, got, c.want)
		}
	}
}

func TestSectionsHaveTheirAddresses(t *testing.T) {
	k := parse(t, sampleELF())
	s, ok := k.Section(".rodata")
	if !ok || s.Addr != 0xffffffff82000000 || s.Size != uint64(len(sampleReadOnly())) || s.Flags != elf.SHF_ALLOC {
		t.Errorf("%+v, %t", s, ok)
	}
	if s, ok := k.Section(".init.text"); ok {
		t.Errorf("a section that is not there: %+v", s)
	}
}

func TestAnELFFileThatIsNoKernelIsSaidSo(t *testing.T) {
	whole := sampleELF()
	changed := func(at int, with ...byte) []byte {
		b := bytes.Clone(whole)
		copy(b[at:], with)
		return b
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"of RISC-V":                {changed(18, 243), "it is for riscv64; amd64 and arm64 are known"},
		"of 32 bits":               {changed(4, 1), "of 32 bits or big-endian; amd64 and arm64 are known"},
		"without segments":         {changed(56, 0), "an ELF file without segments is no kernel"},
		"cut short":                {whole[:0x2000], "read kernel: "},
		"cut in its header":        {whole[:40], "the file is truncated"},
		"a segment outside":        {changed(headerSize+8, 0, 0, 0, 0, 1), "the header says that the segment lies from 0x100000000"},
		"a segment beyond the end": {changed(headerSize+16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), "read kernel: a segment at 0xffffffffffffffff"},
		"text":                     {[]byte("Linux version"), "neither an ELF file nor an arm64 Image: it begins with 4c 69"},
		"an empty Image":           {append(make([]byte, 56), "ARM\x64\x00\x00\x00\x00"...), "an Image whose pointers lead nowhere"},
	} {
		if _, err := Parse(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want …%s…", name, err, c.want)
		}
	}
}

// sampleSymbols are symbols of the samples, by their base address.
func sampleSymbols(base uint64) []kallsyms.Symbol {
	return []kallsyms.Symbol{
		{Name: "_text", Addr: base, Type: 'T', Size: 0x40},
		{Name: "local", Addr: base + 0x40, Type: 't', Size: 0x20},
		{Name: "weak", Addr: base + 0x60, Type: 'W', Size: 1 << 20},
		{Name: "_etext", Addr: base + 0x2000, Type: 'T'},
		{Name: "elsewhere", Addr: base + 1<<40, Type: 'd', Size: 8},
	}
}

// withSymbols writes a kernel with those and reads the file again.
func withSymbols(t *testing.T, k *Kernel, syms []kallsyms.Symbol) ([]byte, *elf.File) {
	t.Helper()
	var out bytes.Buffer
	if err := k.WithSymbols(&out, slices.Values(syms)); err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), f
}

func TestAKernelWithSymbolsHasThemInItsSections(t *testing.T) {
	for _, c := range []struct {
		data      []byte
		base      uint64
		endOfText uint64
		end       elf.Symbol // _etext, which for the Image begins another section
	}{
		{sampleELF(), 0xffffffff81000000, uint64(len(sampleText())), elf.Symbol{Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: 1}},
		{sampleImage(), imageBase, 0x2000, elf.Symbol{Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_OBJECT), Section: 2}},
	} {
		_, f := withSymbols(t, parse(t, c.data), sampleSymbols(c.base))
		got, err := f.Symbols()
		if err != nil {
			t.Fatal(err)
		}
		c.end.Name, c.end.Value = "_etext", c.base+0x2000
		want := []elf.Symbol{
			{Name: "local", Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_FUNC), Section: 1, Value: c.base + 0x40, Size: 0x20},
			{Name: "elsewhere", Info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_NOTYPE), Section: elf.SHN_ABS, Value: c.base + 1<<40, Size: 8},
			{Name: "_text", Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Section: 1, Value: c.base, Size: 0x40},
			{Name: "weak", Info: elf.ST_INFO(elf.STB_WEAK, elf.STT_FUNC), Section: 1, Value: c.base + 0x60, Size: c.endOfText - 0x60},
			c.end,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%#x (-want +got):\n%s", c.base, diff)
		}
	}
}

func TestAKernelWithSymbolsIsElseTheSame(t *testing.T) {
	for _, c := range []struct {
		data     []byte
		base     uint64
		sections []string
	}{
		{sampleELF(), 0xffffffff81000000, []string{"", ".text", ".rodata", ".notes", ".BTF", ".data..percpu", ".shstrtab", ".symtab", ".strtab", ".shstrtab"}},
		{sampleImage(), imageBase, []string{"", ".text", ".data", ".bss", ".symtab", ".strtab", ".shstrtab"}},
	} {
		before := parse(t, c.data)
		file, f := withSymbols(t, before, sampleSymbols(c.base))
		var names []string
		for _, s := range f.Sections {
			names = append(names, s.Name)
		}
		if diff := cmp.Diff(c.sections, names); diff != "" {
			t.Errorf("sections (-want +got):\n%s", diff)
		}
		want, err := before.Bytes(c.base+0x1000, 0x1000)
		got, err2 := parse(t, file).Bytes(c.base+0x1000, 0x1000)
		if err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("the memory at %#x has changed (%v, %v)", c.base+0x1000, err, err2)
		}
	}
}
