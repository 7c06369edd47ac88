package kallsyms

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const recorded = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000070 t do_one
ffffffff81000090 W do_two.isra.0
ffffffffc0345000 t $x	[ext4]
ffffffffc0345010 T ext4_sync_file	[ext4]
ffffffffc0341000 d ext4_ops	[ext4]
ffffffffc0001000 t bpf_prog_6deef7357e7b4530	[bpf]
`

func TestTheTextIsReadAsTheKernelAndItsModules(t *testing.T) {
	kernel, modules, err := Read(strings.NewReader(recorded), false)
	if err != nil {
		t.Fatal(err)
	}
	wantKernel := []Symbol{
		{Name: "fixed_percpu_data", Type: 'A'},
		{Name: "_stext", Addr: 0xffffffff81000000, Size: 0x70, Type: 'T'},
		{Name: "_text", Addr: 0xffffffff81000000, Size: 0x70, Type: 'T'},
		{Name: "do_one", Addr: 0xffffffff81000070, Size: 0x20, Type: 't'},
		{Name: "do_two.isra.0", Addr: 0xffffffff81000090, Type: 'W'},
	}
	wantModules := []Symbol{
		{Name: "bpf_prog_6deef7357e7b4530", Module: "bpf", Addr: 0xffffffffc0001000, Size: 0x340000, Type: 't'},
		{Name: "ext4_ops", Module: "ext4", Addr: 0xffffffffc0341000, Size: 0x4010, Type: 'd'},
		{Name: "ext4_sync_file", Module: "ext4", Addr: 0xffffffffc0345010, Type: 't'},
	}
	if diff := cmp.Diff(wantKernel, all(kernel)); diff != "" {
		t.Errorf("kernel (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantModules, all(modules)); diff != "" {
		t.Errorf("modules (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantKernel[3:], slices.Collect(kernel.WithPrefix("do_"))); diff != "" {
		t.Errorf("WithPrefix (-want +got):\n%s", diff)
	}
	var names []string
	for name := range kernel.Names(0xffffffff81000000, 0xffffffff81000090) {
		names = append(names, string(name))
	}
	if diff := cmp.Diff([]string{"_stext", "_text", "do_one"}, names); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
}

func TestTheKernelsSymbolsAreLeftOutOnRequest(t *testing.T) {
	kernel, modules, err := Read(strings.NewReader(recorded), true)
	if err != nil || kernel.Len() != 0 || modules.Len() != 3 {
		t.Errorf("%d kernel and %d module symbols, %v, want 0 and 3", kernel.Len(), modules.Len(), err)
	}
}

func TestALineThatIsNoSymbolIsAnError(t *testing.T) {
	for _, line := range []string{
		"",
		"ffffffff81000000",
		"ffffffff81000000 T",
		"ffffffff81000000 T ",
		"ffffffff81000000 T \t[ext4]",
		"ffffffff81000000 TT name",
		"fffffffff81000000 T name",
		"0xffffffff81000000 T name",
		" T name",
		"ffffffff81000000 T " + strings.Repeat("x", 1<<17),
	} {
		if _, _, err := Read(strings.NewReader(line+"\n"), false); err == nil {
			t.Errorf("no error for %.80q", line)
		}
	}
}

func FuzzAnyTextIsReadOrRefused(f *testing.F) {
	f.Add(recorded)
	f.Add("0 T \t\n")
	f.Fuzz(func(t *testing.T, text string) {
		kernel, modules, err := Read(strings.NewReader(text), false)
		if err != nil {
			return
		}
		for _, s := range append(all(kernel), all(modules)...) {
			if !strings.Contains(text, s.Name) || !strings.Contains(text, s.Module) {
				t.Fatalf("%q holds no %+v", text, s)
			}
		}
	})
}

func all(l *List) (symbols []Symbol) {
	for i := range l.Len() {
		symbols = append(symbols, l.Symbol(i))
	}
	return symbols
}
