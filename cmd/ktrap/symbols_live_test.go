//go:build live

package main_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestSymbolsInRawFormAreProcKallsyms(t *testing.T) {
	write(t, "/proc/sys/kernel/kptr_restrict", "0")
	want, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	if r := ktrap(t, "symbols", "--raw"); r.code != 0 || r.errors != "" || r.out != string(want) {
		t.Errorf("%d bytes, want %d; exit code %d, %s", len(r.out), len(want), r.code, r.errors)
	}
}

func TestAnAddressIsToldWithWhatKASLRAdded(t *testing.T) {
	addr := address(t, "unix_stream_connect")
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	image := "/boot/vmlinuz-" + strings.TrimSpace(string(release))
	linked := ktrap(t, "symbols", "--image", image, "--raw", "unix_stream_connect").out[:16]
	for _, args := range [][]string{{"symbols", addr}, {"symbols", "--image", image, addr}} {
		r := ktrap(t, args...)
		if r.code != 0 || !strings.Contains(r.out, "is in unix_stream_connect+0x0/") || !strings.Contains(r.out, "; link address 0x"+linked+", KASLR added 0x") {
			t.Errorf("ktrap %s: %v, want link address %s", strings.Join(args, " "), r, linked)
		}
	}
}

func TestOthersThanRootAreToldThatAddressesAreLinkAddresses(t *testing.T) {
	cmd := exec.Command("ktrap", "symbols", "unix_stream_connect")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if r := finish(t, cmd); r.code != 0 || !strings.Contains(r.out, "unix_stream_connect") || !strings.Contains(r.errors, "link addresses") {
		t.Error(r)
	}
}
