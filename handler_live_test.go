//go:build live

package ktrap_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap"
)

func TestAProbesHandlerMayBeASourceWhoseMapsAreRead(t *testing.T) {
	const calls = 300
	handler := ktrap.Source(`package trap

type caller struct {
	comm string
	odd  bool
}

var (
	entered, left uint64
	byCaller      map[caller]uint32
)

//ktrap:pre
func enter(regs *pt_regs) {
	entered++
	byCaller[caller{comm(), regs.di&1 == 1}]++
}

//ktrap:ret
func leave() { left++ }
`)
	s := open(t)
	regs, err := s.Register(t.Context(),
		&ktrap.Probe{Symbol: "__x64_sys_umask", Pre: handler},
		&ktrap.Probe{Symbol: "__x64_sys_umask", Return: true, Ret: handler})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for i := range calls {
			unix.Umask(i % 4)
		}
		unix.Umask(0o22)
	}()
	for _, err := range s.Events(ctx) {
		must(t, err)
	}
	x := regs[0].Script()
	type caller struct {
		Comm string
		Odd  bool
	}
	byCaller, err := ktrap.ReadMap[caller, uint32](x, "byCaller")
	must(t, err)
	odd, even := uint32(0), uint32(0)
	for k, n := range byCaller {
		if k.Odd {
			odd += n
		} else {
			even += n
		}
	}
	if odd != calls/2 || even != calls/2+1 {
		t.Errorf("%d odd and %d even masks, want %d and %d: %v", odd, even, calls/2, calls/2+1, byCaller)
	}
	left, err := ktrap.ReadVar[uint64](x, "left")
	must(t, err)
	if left != calls+1 {
		t.Errorf("%d returns of %d", left, calls+1)
	}
	must(t, s.Close())
	if left, err = ktrap.ReadVar[uint64](x, "left"); err != nil || left != calls+1 {
		t.Errorf("%d returns of %d once the session is closed: %v", left, calls+1, err)
	}
}

func TestAFilterAsAHandlerLetsHitsPass(t *testing.T) {
	const calls = 100
	s := open(t)
	regs, err := s.Register(t.Context(), &ktrap.Probe{Symbol: "__x64_sys_umask", PID: uint32(os.Getpid()),
		Pre: ktrap.Filter("cast[pt_regs](arg(0)).di == 2")})
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		for i := range calls {
			unix.Umask(i % 4)
		}
		unix.Umask(0o22)
	}()
	for _, err := range s.Events(ctx) {
		must(t, err)
		events++
	}
	l, err := regs[0].Ledger()
	must(t, err)
	if events != calls/4 || l.Filtered != 3*calls/4+1 {
		t.Errorf("%d of %d hits passed: %+v", events, calls+1, l)
	}
	_, err = s.Register(t.Context(), &ktrap.Probe{Symbol: "__x64_sys_umask", If: "pid > 1", Pre: ktrap.Filter("pid > 2")})
	if err == nil {
		t.Error("a probe may have two conditions")
	}
}

func TestASourcesMistakeIsToldByRegister(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		probe ktrap.Probe
		want  string
	}{
		{ktrap.Probe{Symbol: "vfs_read", Pre: ktrap.Source("package trap\nfunc pre(fil *file) { emit(fil) }")}, "is not a parameter of vfs_read"},
		{ktrap.Probe{Symbol: "vfs_read", Pre: ktrap.Source("package trap\nfunc ret() {}")}, "no pre handler"},
		{ktrap.Probe{Symbol: "vfs_read", Pre: ktrap.File("nowhere.go")}, "no such file"},
	} {
		if _, err := s.Register(t.Context(), &c.probe); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	h := ktrap.Source("package trap\nfunc pre(file *file) { emit(file) }")
	_, err := s.Register(t.Context(), &ktrap.Probe{Symbol: "vfs_read", Pre: h}, &ktrap.Probe{Symbol: "vfs_llseek", Pre: h})
	if err == nil || !strings.Contains(err.Error(), "takes parameters of vfs_read") {
		t.Errorf("one handler at two functions: %v", err)
	}
}

func TestAModulesFunctionHasItsOwnTypesInAHandler(t *testing.T) {
	const text = `package trap

var layers map[uint32]uint32

//ktrap:pre ovl_lookup
func look(dentry *dentry, flags uint32) {
	layers[cast[ovl_fs](dentry.d_sb.s_fs_info).numlayer]++
}
`
	if _, err := os.Stat("/sys/kernel/btf/overlay"); err != nil {
		_, err := open(t).Script(ktrap.HandlerFile{Name: "look.go", Text: []byte(text)})
		if err == nil || !strings.Contains(err.Error(), "ovl_fs is not declared") {
			t.Errorf("without the module's types: %v", err)
		}
		return
	}
	const files = 20
	dir := overlay(t)
	_, tables, _ := run(t, ktrap.HandlerFile{Name: "look.go", Text: []byte(text)}, func() {
		for i := range files {
			os.Stat(fmt.Sprint(dir, "/", i))
		}
	})
	if len(tables) != 1 || len(tables[0].Entries) != 1 {
		t.Fatalf("got %+v", tables)
	}
	if e := tables[0].Entries[0]; e.Key.Bits != 3 || e.Value.Bits < files {
		t.Errorf("%v look-ups in %v layers, want %d in 3", e.Value, e.Key, files)
	}
}

// overlay mounts two folders over each other, under a third that is written to.
func overlay(t *testing.T) string {
	root := t.TempDir()
	must(t, unix.Mount("none", root, "tmpfs", 0, ""))
	t.Cleanup(func() { must(t, unix.Unmount(root, unix.MNT_DETACH)) })
	for _, name := range []string{"a", "b", "upper", "work", "all"} {
		must(t, os.Mkdir(root+"/"+name, 0o700))
	}
	options := strings.ReplaceAll("lowerdir=@a:@b,upperdir=@upper,workdir=@work", "@", root+"/")
	must(t, unix.Mount("none", root+"/all", "overlay", 0, options))
	t.Cleanup(func() { must(t, unix.Unmount(root+"/all", 0)) })
	return root + "/all"
}

func TestAScriptIsChangedWhileItRuns(t *testing.T) {
	const text = `package trap

var (
	least uint64
	hits  uint64
)

func pre(regs *pt_regs) {
	if regs.di >= least {
		hits++
	}
}
`
	const calls = 100
	s := open(t)
	x, err := s.Script(ktrap.HandlerFile{Name: "change.go", Text: []byte(text), Place: "__x64_sys_umask", Set: map[string]string{"least": "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	must(t, x.Run(t.Context()))
	hits := func() uint64 {
		n, err := ktrap.ReadVar[uint64](x, "hits")
		must(t, err)
		return n
	}
	call := func(do func(int)) uint64 {
		before := hits()
		for range calls {
			do(0o22)
		}
		return hits() - before
	}
	umask := func(m int) { unix.Umask(m) }
	getpgid := func(m int) { unix.Getpgid(m) }
	for _, c := range []struct {
		change func() error
		do     func(int)
		want   uint64
	}{
		{func() error { return nil }, umask, 0},
		{func() error { return x.Set("least", "0x12") }, umask, calls},
		{func() error { return x.Move(t.Context(), "__x64_sys_getpgid") }, umask, 0},
		{func() error { return nil }, getpgid, calls},
	} {
		must(t, c.change())
		if got := call(c.do); got != c.want {
			t.Errorf("%d of %d hits, want %d", got, calls, c.want)
		}
	}
	for change, want := range map[string]error{
		"did you mean least":  x.Set("leest", "1"),
		"a number of 64 bits": x.Set("least", "many"),
		"nowhere_at_all":      x.Move(t.Context(), "nowhere_at_all"),
		"column":              x.Move(t.Context(), "+"),
	} {
		if want == nil || !strings.Contains(want.Error(), change) {
			t.Errorf("got %v, want %q", want, change)
		}
	}
	if got := call(getpgid); got != calls {
		t.Errorf("%d hits after changes that failed, want %d", got, calls)
	}
}
