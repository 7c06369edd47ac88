package symbols

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// proc makes a folder that looks like /proc without kcore.
func proc(t *testing.T, files map[string]string) *Live {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l := Open(Options{Proc: dir})
	t.Cleanup(func() { l.Close() })
	return l
}

const (
	kernelText = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000040 t __pfx_tcp_sendmsg
ffffffff81000050 T tcp_sendmsg
ffffffff81000090 T tcp_sendmsg_locked
ffffffff81000100 t same
ffffffff81000140 t same
ffffffff81000180 t folded.constprop.0
ffffffff810001c0 t folded.cold
ffffffff81000200 T vfs_read
ffffffff81000280 T vfs_write
ffffffff81000300 T _etext
ffffffff81001000 T vfs_caches
ffffffff82000000 t vfs_init
`
	moduleText = `ffffffffc0345000 t ext4_sync_file	[ext4]
ffffffffc0345100 t ext4_sync_fs	[ext4]
ffffffffc0345200 d ext4_ops	[ext4]
ffffffffc0345300 d ext4_end	[ext4]
ffffffffc0400000 t bpf_prog_6deef7357e7b4530	[bpf]
ffffffffc0400100 t bpf_prog_7deef7357e7b4530	[bpf]
`
	loadedModules = "ext4 987136 1 - Live 0xffffffffc0345000\nempty 4096 0 - Live 0xffffffffc0600000 (OE)\n"
)

func kernelWithModules(t *testing.T) *Live {
	return proc(t, map[string]string{"kallsyms": kernelText + moduleText, "modules": loadedModules})
}

func TestANameIsLookedUpInTheKernelThenInModules(t *testing.T) {
	l := kernelWithModules(t)
	for _, c := range []struct {
		module, name string
		want         []uint64
	}{
		{"", "tcp_sendmsg", []uint64{0xffffffff81000050}},
		{"", "same", []uint64{0xffffffff81000100, 0xffffffff81000140}},
		{"", "ext4_sync_file", []uint64{0xffffffffc0345000}},
		{"ext4", "ext4_sync_file", []uint64{0xffffffffc0345000}},
		{"ext4", "tcp_sendmsg", nil},
		{"", "bpf_prog_6deef7357e7b4530", nil},
		{"bpf", "bpf_prog_6deef7357e7b4530", nil},
	} {
		found, err := l.Lookup(c.module, c.name)
		var missing *NotFoundError
		if (err == nil) == (c.want == nil) || err != nil && !errors.As(err, &missing) {
			t.Errorf("Lookup(%q, %q): %v", c.module, c.name, err)
		}
		if diff := cmp.Diff(c.want, addrs(found)); diff != "" {
			t.Errorf("Lookup(%q, %q) (-want +got):\n%s", c.module, c.name, diff)
		}
	}
}

func TestAPatternMatchesFunctionsOnly(t *testing.T) {
	l := kernelWithModules(t)
	for _, c := range []struct {
		module, glob string
		want         string
	}{
		{"", "vfs_*", "vfs_read vfs_write"}, // vfs_caches and vfs_init lie outside the text
		{"", "*sendmsg", "tcp_sendmsg"},     // no __pfx_tcp_sendmsg
		{"", "ext4_*", "ext4_sync_file [ext4] ext4_sync_fs [ext4]"},
		{"ext4", "*", "ext4_sync_file [ext4] ext4_sync_fs [ext4]"},
		{"", "[ft]*[0d]", "tcp_sendmsg_locked folded.constprop.0 folded.cold"},
		{"", "bpf_*", ""},
		{"empty", "*", ""},
	} {
		found, err := l.Match(c.module, c.glob)
		if (err == nil) == (c.want == "") {
			t.Errorf("Match(%q, %q): %v", c.module, c.glob, err)
		}
		var got []string
		for _, s := range found {
			got = append(got, s.String())
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("Match(%q, %q) (-want +got):\n%s", c.module, c.glob, diff)
		}
	}
	if _, err := l.Match("", "vfs_["); err == nil {
		t.Error("an open bracket is no error")
	}
}

func TestWhatTheCompilerMadeOfAFunctionIsFound(t *testing.T) {
	clones, err := kernelWithModules(t).Clones("", "folded")
	if err != nil || len(clones) != 2 || clones[0].Name != "folded.constprop.0" || clones[1].Name != "folded.cold" {
		t.Errorf("Clones = %v, %v", clones, err)
	}
}

func TestAMissSaysWhatThereIsInstead(t *testing.T) {
	l := kernelWithModules(t)
	for _, c := range []struct{ module, name, want string }{
		{"", "tcp_sendmg", "no symbol tcp_sendmg in the running kernel (did you mean tcp_sendmsg?)"},
		{"", "tcp_snedmsg_lock", "no symbol tcp_snedmsg_lock in the running kernel (did you mean tcp_sendmsg_locked?)"},
		{"", "ext4_sync_fils", "no symbol ext4_sync_fils in the running kernel (did you mean ext4_sync_file?)"},
		{"", "sync_f", "no symbol sync_f in the running kernel (did you mean ext4_sync_fs or ext4_sync_file?)"},
		{"", "ext4_sync", "no symbol ext4_sync in the running kernel (did you mean ext4_sync_fs or ext4_sync_file?)"},
		{"", "tcp_sendms", "no symbol tcp_sendms in the running kernel (did you mean tcp_sendmsg or tcp_sendmsg_locked?)"},
		{"", "zzzzzz", "no symbol zzzzzz in the running kernel"},
		{"", "folded", "no symbol folded in the running kernel (the compiler made folded.constprop.0 and folded.cold out of it)"},
		{"ext4", "ext4_sink_fs", "no symbol ext4_sink_fs in module ext4 (did you mean ext4_sync_fs?)"},
		{"ext4", "vfs_read", "no symbol vfs_read in module ext4 (vfs_read is in the running kernel)"},
		{"xfs", "xfs_sync", "module xfs is not loaded (modprobe xfs would load it)"},
		{"tcp", "tcp_sendmsg", "module tcp is not loaded (tcp_sendmsg is in the running kernel)"},
		{"xfs", "ext4_sync_fs", "module xfs is not loaded (ext4_sync_fs is in module ext4)"},
	} {
		if _, err := l.Lookup(c.module, c.name); err == nil || err.Error() != c.want {
			t.Errorf("Lookup(%q, %q):\n got %v\nwant %s", c.module, c.name, err, c.want)
		}
	}
	const want = "no function of the running kernel matches zz*"
	if _, err := l.Match("", "zz*"); err == nil || err.Error() != want {
		t.Errorf("Match:\n got %v\nwant %s", err, want)
	}
}

func TestAnAddressIsToldFromTheSymbolItLiesIn(t *testing.T) {
	l := kernelWithModules(t)
	for _, c := range []struct {
		addr   uint64
		want   string // "" for none
		offset uint64
		inText bool
	}{
		{0xffffffff81000000, "_stext", 0, true},
		{0xffffffff81000051, "tcp_sendmsg", 1, true},
		{0xffffffff810002ff, "vfs_write", 0x7f, true},
		{0xffffffff81000300, "_etext", 0, false},
		{0xffffffff81001008, "vfs_caches", 8, false},
		{0xffffffffc0345008, "ext4_sync_file [ext4]", 8, true},
		{0xffffffffc0345208, "ext4_ops [ext4]", 8, false},
		{0xffffffffc0400008, "bpf_prog_6deef7357e7b4530 [bpf]", 8, false},
		{0xffffffffffffffff, "", 0, false},
		{0xffff888000000000, "", 0, false},
		{0x1000, "", 0, false},
	} {
		s, offset, ok := l.At(c.addr)
		if ok != (c.want != "") || ok && (s.String() != c.want || offset != c.offset) {
			t.Errorf("At(%#x) = %s+%#x, %t, want %s+%#x", c.addr, s, offset, ok, c.want, c.offset)
		}
		if in, err := l.InText(c.addr); err != nil || in != c.inText {
			t.Errorf("InText(%#x) = %t, %v, want %t", c.addr, in, err, c.inText)
		}
	}
}

func TestModulesAreReadAgainWhenOneCame(t *testing.T) {
	l := proc(t, map[string]string{"kallsyms": kernelText, "modules": ""})
	if _, err := l.Lookup("ext4", "ext4_sync_fs"); err == nil {
		t.Fatal("a module's symbol is found before it was loaded")
	}
	for name, text := range map[string]string{"kallsyms": kernelText + moduleText, "modules": loadedModules} {
		if err := os.WriteFile(l.path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Lookup("ext4", "ext4_sync_fs"); err != nil {
		t.Error(err)
	}
}

func TestHiddenAddressesAreAnErrorThatSaysWhy(t *testing.T) {
	zeros := "0000000000000000 T _stext\n0000000000000000 T tcp_sendmsg\n"
	for _, c := range []struct{ restrict, caps, want string }{
		{"1\n", "CapEff:\t0000000000000000\n", "the kernel hides its addresses: this process lacks CAP_SYSLOG and kernel.kptr_restrict is 1 (run as root)"},
		{"2\n", "CapEff:\t0000000000000000\n", "the kernel hides its addresses: kernel.kptr_restrict is 2, for root too (as root, sysctl kernel.kptr_restrict=1 shows them to root)"},
		{"2\n", "CapEff:\t000001ffffffffff\n", "the kernel hides its addresses: kernel.kptr_restrict is 2, for root too (sysctl kernel.kptr_restrict=1 shows them to root)"},
	} {
		l := proc(t, map[string]string{"kallsyms": zeros, "sys/kernel/kptr_restrict": c.restrict, "self/status": "Name:\tx\n" + c.caps})
		_, err := l.Lookup("", "tcp_sendmsg")
		var hidden *HiddenError
		if !errors.As(err, &hidden) || err.Error() != c.want {
			t.Errorf("kptr_restrict %q, %q:\n got %v\nwant %s", c.restrict, c.caps, err, c.want)
		}
	}
}

func TestCodeThatCantBeReadSaysWhatItTakes(t *testing.T) {
	_, err := kernelWithModules(t).Code(0xffffffff81000050, 16)
	if err == nil || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "CAP_SYS_RAWIO") {
		t.Errorf("Code: %v", err)
	}
}

func TestAnAmbiguousNameIsAnErrorWithAllAddresses(t *testing.T) {
	err := &AmbiguousError{Name: "same", Symbols: []Symbol{{Addr: 0xffffffff81000100}, {Addr: 0xffffffffc0345000, Module: "ext4"}}}
	const want = "2 functions are named same (name one by its address: 0xffffffff81000100, 0xffffffffc0345000 of ext4)"
	if err.Error() != want {
		t.Errorf("got %s, want %s", err, want)
	}
}

func addrs(symbols []Symbol) (addrs []uint64) {
	for _, s := range symbols {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

func TestAllSymbolsAreListedAsTheKernelListsThem(t *testing.T) {
	exported := "ffffffffc0345800 T ext4_exported\t[ext4]\nffffffffc0345400 t ext4_late\t[ext4]\n"
	l := proc(t, map[string]string{"kallsyms": kernelText + exported + moduleText, "modules": loadedModules})
	var text strings.Builder
	for s, err := range l.All() {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%016x %c %s", s.Addr, s.Type, s.Name)
		if s.Module != "" {
			fmt.Fprintf(&text, "\t[%s]", s.Module)
		}
		text.WriteString("\n")
	}
	if diff := cmp.Diff(kernelText+exported+moduleText, text.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAGlobFindsSymbolsOfEveryKind(t *testing.T) {
	l := kernelWithModules(t)
	for _, c := range []struct{ module, glob, want string }{
		{"", "*tcp_sendmsg", "__pfx_tcp_sendmsg tcp_sendmsg"},
		{"", "vfs_*", "vfs_read vfs_write vfs_caches vfs_init"},
		{"ext4", "*_ops", "ext4_ops [ext4]"},
		{"", "zz*", ""},
	} {
		found, err := l.Glob(c.module, c.glob)
		var got []string
		for _, s := range found {
			got = append(got, s.String())
		}
		if strings.Join(got, " ") != c.want || (err == nil) == (c.want == "") {
			t.Errorf("Glob(%q, %q) = %v, %v; want %s", c.module, c.glob, got, err, c.want)
		}
	}
}
