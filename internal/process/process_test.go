package process

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestAFunctionIsFoundByItsPlaceInAFile(t *testing.T) {
	path, err := exec.LookPath("go") // what `go test` makes has no symbols
	if err != nil {
		t.Fatal(err)
	}
	im := openImage(path)
	i := slices.IndexFunc(im.funcs, func(s elf.Symbol) bool { return s.Name == "main.main" })
	if i < 0 {
		t.Fatalf("%s has no main.main among %d functions", path, len(im.funcs))
	}
	at := im.funcs[i].Value - im.parts[0].Vaddr + im.parts[0].Off
	for past, want := range map[uint64]string{0: "main.main", 1: "main.main+0x1"} {
		if got, ok := im.find(at + past); got != want {
			t.Errorf("at +%d: got %q, %v, want %s", past, got, ok, want)
		}
	}
}

func TestAnAddressOfThisProcessIsInItsFile(t *testing.T) {
	p, err := Open(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	name, file := p.Find(uint64(reflect.ValueOf(parse).Pointer()))
	if !strings.HasPrefix(file, "/") || !strings.HasPrefix(name, filepath.Base(file)+"+0x") && !strings.HasSuffix(name, "parse") {
		t.Errorf("got %s of %s", name, file)
	}
	if name, file := p.Find(1); name != "" || file != "" {
		t.Errorf("address 1 is in %s of %s", name, file)
	}
}

func TestALineOfMapsIsRead(t *testing.T) {
	for line, want := range map[string]mapping{
		"55d0a000-55d0b000 r-xp 00002000 08:01 1234                       /usr/bin/a b": {0x55d0a000, 0x55d0b000, 0x2000, "/usr/bin/a b"},
		"7ffd1000-7ffd3000 r-xp 00000000 00:00 0                          [vdso]":       {0x7ffd1000, 0x7ffd3000, 0, "[vdso]"},
		"7f001000-7f002000 r-xp 00000000 00:00 0 ":                                      {0x7f001000, 0x7f002000, 0, ""},
		"7f001000-7f002000 rw-p 00000000 00:00 0 ":                                      {},
		"nonsense": {},
	} {
		got, ok := parse(line)
		if ok != (want.end != 0) || ok && got != want {
			t.Errorf("%q: got %+v, %v, want %+v", line, got, ok, want)
		}
	}
}

func TestAProcessThatIsGoneIsAnError(t *testing.T) {
	if _, err := Open(1 << 30); err == nil {
		t.Error("a process that never was can be opened")
	}
}
