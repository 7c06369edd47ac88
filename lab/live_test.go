//go:build live

package lab

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestTheMachineHasItsFileSystems(t *testing.T) {
	table, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mounts {
		if !strings.Contains(string(table), " "+m.at+" "+m.kind+" ") {
			t.Errorf("no %s on %s; there are\n%s", m.kind, m.at, table)
		}
	}
}

func TestTheMachineShowsItsSymbols(t *testing.T) {
	symbols, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(symbols, []byte(" T _text\n")) || bytes.HasPrefix(symbols, []byte("0000000000000000 T _text")) {
		t.Errorf("no address of _text in %q…", symbols[:100])
	}
}

func TestTheMachineHasTheImageOfItsKernel(t *testing.T) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	image := "/boot/vmlinuz-" + strings.TrimSpace(string(release))
	if info, err := os.Stat(image); err != nil || info.Size() < 1<<20 {
		t.Errorf("%s: %v, %v", image, info, err)
	}
}

func TestTheMachineTalksToItself(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestTheMachineFindsKtrap(t *testing.T) {
	out, err := exec.Command("ktrap", "lab", "load", "all:2@0s").CombinedOutput()
	if string(out) != "all:2@0s: 8 operations\n" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestTheMachineHasTheModulesItWasGiven(t *testing.T) {
	modules, err := os.ReadFile("/proc/modules")
	if err != nil || !strings.Contains(string(modules), "dummy ") {
		t.Errorf("no dummy in %q, %v", modules, err)
	}
}
