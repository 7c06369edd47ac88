//go:build live

package main_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
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
	image := bootImage(t)
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

func TestAVmlinuxThatFindsNoRoomLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("needs tmpfs: ", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	r := ktrap(t, "image", "extract", bootImage(t), "-o", dir+"/vmlinux")
	if r.code != 1 || !strings.Contains(r.errors, "write "+dir+"/vmlinux: no space left on device") {
		t.Error(r)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// bootImage is the image of the running kernel.
func bootImage(t *testing.T) string {
	t.Helper()
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	return "/boot/vmlinuz-" + strings.TrimSpace(string(release))
}
