//go:build live

package symbols

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ktrap/internal/kallsyms"
)

// running returns the running kernel's symbols, which its memory must tell.
func running(t *testing.T) *Live {
	t.Helper()
	l := Open(Options{})
	t.Cleanup(func() { l.Close() })
	if _, err := l.core(); err != nil {
		t.Skip("needs kcore: ", err)
	}
	if _, err := l.layout(); err != nil {
		t.Fatal(err)
	}
	return l
}

// printed reads all of /proc/kallsyms.
func printed(t *testing.T, l *Live) (kernel, modules *kallsyms.List) {
	t.Helper()
	start := time.Now()
	kernel, modules, err := l.readText(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("/proc/kallsyms has %d symbols of the kernel and %d of modules, read in %v", kernel.Len(), modules.Len(), time.Since(start))
	return kernel, modules
}

func TestTheTablesInMemoryEqualProcKallsyms(t *testing.T) {
	l := running(t)
	want, wantModules := printed(t, l)
	got, err := l.kernel()
	if err != nil {
		t.Fatal(err)
	}
	if _, fromMemory := got.(*kallsyms.Table); !fromMemory {
		t.Error("the kernel's table was not read from its memory")
	}
	compare(t, want, got)

	loaded, err := l.loaded()
	if err != nil {
		t.Fatal(err)
	}
	modules, err := l.modulesInMemory(loaded)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, ofModules(wantModules, loaded), modules)
}

// ofModules leaves out what only passes for a module.
func ofModules(l *kallsyms.List, loaded []module) (symbols symbolsOf) {
	for i := range l.Len() {
		if s := l.Symbol(i); isLoaded(loaded, s.Module) {
			symbols = append(symbols, s)
		}
	}
	return symbols
}

type symbolsOf []kallsyms.Symbol

func (s symbolsOf) Len() int                     { return len(s) }
func (s symbolsOf) Symbol(i int) kallsyms.Symbol { return s[i] }

type listing interface {
	Len() int
	Symbol(i int) kallsyms.Symbol
}

// compare compares all but the sizes of modules' symbols, which text lacks.
func compare(t *testing.T, want, got listing) {
	t.Helper()
	if want.Len() != got.Len() {
		t.Fatalf("%d symbols in memory, want %d", got.Len(), want.Len())
	}
	differ := 0
	for i := range want.Len() {
		w, g := want.Symbol(i), got.Symbol(i)
		if w.Module != "" {
			w.Size = g.Size
		}
		if w == g {
			continue
		}
		if differ++; differ < 10 {
			t.Errorf("symbol %d (-want +got):\n%s", i, cmp.Diff(w, g))
		}
	}
	if differ > 0 {
		t.Errorf("%d of %d symbols differ", differ, want.Len())
	}
}

func TestALookUpFindsWhatGrepFinds(t *testing.T) {
	l := running(t)
	kernel, _ := printed(t, l)
	byName := map[string][]uint64{}
	for i := range kernel.Len() {
		s := kernel.Symbol(i)
		byName[s.Name] = append(byName[s.Name], s.Addr)
	}
	names := []string{"unix_stream_connect", "_stext", "_etext", "modules", kernel.Symbol(kernel.Len() - 1).Name}
	for i := 0; i < kernel.Len(); i += 997 {
		names = append(names, kernel.Symbol(i).Name)
	}
	for _, name := range names {
		found, err := l.Lookup("", name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(byName[name], addrs(found)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestALookUpReadsLittle(t *testing.T) {
	l := running(t)
	_, err := kallsyms.Search(must(l.core()), must(l.layout()), "unix_stream_connect")
	ordered := err == nil
	for _, c := range []struct {
		what              string
		ask               func(*Live) error
		ordered, elsewise int // bytes at most, by whether the kernel's names are in order
	}{
		{"Lookup", func(l *Live) error { _, err := l.Lookup("", "unix_stream_connect"); return err }, 256 << 10, 8 << 20},
		{"Match", func(l *Live) error { _, err := l.Match("", "vfs_rea*"); return err }, 1 << 20, 8 << 20},
		{"a miss", func(l *Live) error { l.Lookup("", "unix_stream_conect"); return nil }, 6 << 20, 8 << 20},
	} {
		most := c.elsewise
		if ordered {
			most = c.ordered
		}
		l := Open(Options{})
		before, start := bytesRead(t), time.Now()
		err := c.ask(l)
		read := bytesRead(t) - before
		l.Close()
		t.Logf("%s: %d bytes read in %v, names in order: %t", c.what, read, time.Since(start), ordered)
		if err != nil || read > most {
			t.Errorf("%s read %d bytes, %v, want at most %d", c.what, read, err, most)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// bytesRead returns what the process has read so far.
func bytesRead(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skip("needs task I/O accounting: ", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	n, err := strconv.Atoi(strings.TrimPrefix(line, "rchar: "))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEveryFunctionHoldsItsOwnBytes(t *testing.T) {
	l := running(t)
	functions, err := l.Match("", "*")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d functions", len(functions))
	for i := 0; i < len(functions); i += 61 {
		f := functions[i]
		s, offset, ok := l.At(f.Addr + f.Size - 1)
		if !ok || s.Addr != f.Addr || offset != f.Size-1 {
			t.Errorf("At(%s+%#x) = %s+%#x, %t", f, f.Size-1, s, offset, ok)
		}
		if in, err := l.InText(f.Addr); !in || err != nil {
			t.Errorf("InText(%s) = %t, %v", f, in, err)
		}
	}
	if in, err := l.InText(must(l.only("init_uts_ns"))); in || err != nil {
		t.Errorf("InText(init_uts_ns) = %t, %v", in, err)
	}
}

func TestCodeIsThatOfTheFunction(t *testing.T) {
	l := running(t)
	found, err := l.Lookup("", "unix_stream_connect")
	if err != nil {
		t.Fatal(err)
	}
	code, err := l.Code(found[0].Addr, int(found[0].Size))
	if err != nil || !slices.ContainsFunc(code, func(b byte) bool { return b != 0 }) {
		t.Errorf("Code = %x, %v", code, err)
	}
	if _, err := l.Code(0x1000, 16); err == nil {
		t.Error("code was read where there is no memory")
	}
}

func TestRootResolvesNamesWhateverKptrRestrictSays(t *testing.T) {
	restrict(t, "2")
	l := running(t)
	if _, err := l.Lookup("", "unix_stream_connect"); err != nil {
		t.Error(err)
	}
	var missing *NotFoundError
	if _, err := l.Lookup("", "unix_stream_conect"); !errors.As(err, &missing) || len(missing.Suggestions) == 0 {
		t.Errorf("a miss: %v", err)
	}
	if _, err := l.Lookup("", "openat"); !errors.As(err, &missing) || !slices.Contains(missing.Suggestions, "do_sys_openat2") {
		t.Errorf("a system call: %v", err)
	}
	_, err := withoutCore(t).Lookup("", "unix_stream_connect")
	if want := (&HiddenError{Restrict: 2, Capable: true}); err == nil || err.Error() != want.Error() {
		t.Errorf("without kcore:\n got %v\nwant %v", err, want)
	}
}

func TestTheTextIsReadWhereMemoryCantBe(t *testing.T) {
	restrict(t, "1")
	want := must(running(t).Lookup("", "unix_stream_connect"))
	got, err := withoutCore(t).Lookup("", "unix_stream_connect")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-memory +text):\n%s", diff)
	}
}

func TestOthersThanRootAreToldWhatHidesAddresses(t *testing.T) {
	if os.Getuid() != 0 {
		_, err := Open(Options{}).Lookup("", "unix_stream_connect")
		if want := (&HiddenError{Restrict: 1}); err == nil || err.Error() != want.Error() {
			t.Errorf("\n got %v\nwant %v", err, want)
		}
		return
	}
	restrict(t, "1")
	again := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := again.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// restrict sets kernel.kptr_restrict for the length of a test.
func restrict(t *testing.T, value string) {
	t.Helper()
	const path = "/proc/sys/kernel/kptr_restrict"
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(path, was, 0) })
}

// withoutCore returns the running kernel's symbols as if it had no /proc/kcore.
func withoutCore(t *testing.T) *Live {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"kallsyms", "modules", "self", "sys"} {
		if err := os.Symlink("/proc/"+name, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return Open(Options{Proc: dir})
}

func TestAPlacesNamesAreAllFound(t *testing.T) {
	live := Open(Options{})
	defer live.Close()
	one, err := live.Lookup("", "__x64_sys_getppid")
	if err != nil {
		t.Fatal(err)
	}
	all, err := live.Aliases(one[0].Addr)
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	if !slices.Contains(names, "__x64_sys_getppid") || !slices.Contains(names, "__do_sys_getppid") {
		t.Errorf("at %#x are %v, %v; want __x64_sys_getppid and __do_sys_getppid", one[0].Addr, names, err)
	}
	if none, err := live.Aliases(one[0].Addr + 1); len(none) != 0 || err != nil {
		t.Errorf("inside the function are %v, %v", none, err)
	}
}
