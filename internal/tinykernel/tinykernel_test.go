package tinykernel

import (
	"bytes"
	"debug/elf"
	"testing"
)

func TestAnELFReaderUnderstandsTheKernel(t *testing.T) {
	f, err := elf.NewFile(bytes.NewReader(Vmlinux([]byte("0123456789"), Few(300)...)))
	if err != nil {
		t.Fatal(err)
	}
	for name, addr := range map[string]uint64{".text": Text, ".rodata": Data} {
		if s := f.Section(name); s == nil || s.Addr != addr {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if len(f.Progs) != 3 || f.Progs[2].Vaddr != f.Section(".notes").Addr {
		t.Errorf("%+v", f.Progs)
	}
}
