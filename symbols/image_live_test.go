//go:build live

package symbols

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// bootedImage opens the image of the running kernel, which the lab puts where
// distributions do.
func bootedImage(t *testing.T, o ImageOptions) *Image {
	t.Helper()
	im, err := openRunning(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { im.Close() })
	return im
}

func TestTheImagesSymbolsAreThoseOfProcKallsyms(t *testing.T) {
	restrict(t, "0")
	live := running(t)
	moved, err := live.KASLR()
	if err != nil {
		t.Skip("needs kcore: ", err)
	}
	want, _ := printed(t, live)
	im := bootedImage(t, ImageOptions{Cache: t.TempDir()})
	i, differ := 0, 0
	for s, err := range im.All() {
		if err != nil {
			t.Fatal(err)
		}
		if i >= want.Len() {
			t.Fatalf("the image has more than %d symbols: %v", want.Len(), s)
		}
		w := Symbol(want.Symbol(i))
		if s.Addr >= 1<<63 { // others are absolute: places in percpu areas
			s.Addr += moved
		}
		if i++; s != w {
			if differ++; differ < 10 {
				t.Errorf("symbol %d (-live +image):\n%s", i-1, cmp.Diff(w, s))
			}
		}
	}
	if i != want.Len() || differ > 0 {
		t.Errorf("%d symbols, want %d; %d differ", i, want.Len(), differ)
	}
	t.Logf("%d symbols, KASLR added %#x", i, moved)
}

func TestTheIndexOfARealKernelAnswersAlike(t *testing.T) {
	o := ImageOptions{Cache: t.TempDir(), Warn: func(err error) { t.Error("warned:", err) }}
	bootedImage(t, o).Close()
	im := bootedImage(t, o)
	if im.entry == nil {
		t.Fatal("there is no index")
	}
	start := time.Now()
	cold, err := bootedImage(t, ImageOptions{NoIndex: true}).Lookup("", "unix_stream_connect")
	if err != nil {
		t.Fatal(err)
	}
	unindexed := time.Since(start)
	start = time.Now()
	warm, err := bootedImage(t, o).Lookup("", "unix_stream_connect")
	if diff := cmp.Diff(cold, warm); diff != "" || err != nil {
		t.Errorf("%v, (-cold +warm):\n%s", err, diff)
	}
	t.Logf("open and look up: %v without the index, %v with", unindexed, time.Since(start))
}

func TestAFullDiskCostsTheIndexAndNothingElse(t *testing.T) {
	cache := t.TempDir()
	if err := unix.Mount("tmpfs", cache, "tmpfs", 0, "size=4m"); err != nil {
		t.Skip("needs tmpfs: ", err)
	}
	t.Cleanup(func() { unix.Unmount(cache, unix.MNT_DETACH) })
	var warned atomic.Pointer[error]
	im := bootedImage(t, ImageOptions{Cache: cache, Warn: func(err error) { warned.Store(&err) }})
	if _, err := im.Lookup("", "unix_stream_connect"); err != nil {
		t.Error(err)
	}
	im.storing.Wait()
	if err := warned.Load(); err == nil || !errors.Is(*err, syscall.ENOSPC) {
		t.Errorf("warned %v, want %v", err, syscall.ENOSPC)
	}
	if left, _ := os.ReadDir(cache + "/images"); len(left) > 1 {
		t.Errorf("left behind are %v", left)
	}
}

func TestOthersThanRootAreGivenLinkAddresses(t *testing.T) {
	if os.Getuid() != 0 {
		k, note, err := Running(ImageOptions{NoIndex: true})
		if err != nil || !strings.Contains(note, "link addresses") {
			t.Fatalf("note %q, %v", note, err)
		}
		found, err := k.Lookup("", "_stext")
		if err != nil || found[0].Addr&(1<<20-1) != 0 {
			t.Errorf("_stext is at %x, %v", addrs(found), err)
		}
		t.Log(note)
		return
	}
	restrict(t, "1")
	again := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	t.Logf("%s", out)
	if k, note, err := Running(ImageOptions{}); err != nil || note != "" {
		t.Errorf("as root: %T, %q, %v", k, note, err)
	}
}

func TestAnAddressOfTheRunningKernelIsMovedBack(t *testing.T) {
	live := running(t)
	moved, err := live.KASLR()
	if err != nil {
		t.Skip("needs kcore: ", err)
	}
	im := bootedImage(t, ImageOptions{Cache: t.TempDir()})
	if same, err := im.KASLR(); same != moved || err != nil {
		t.Errorf("the image says %#x, %v; the kernel %#x", same, err, moved)
	}
	there := must(live.Lookup("", "unix_stream_connect"))[0].Addr
	linked := must(im.Lookup("", "unix_stream_connect"))[0].Addr
	if there-linked != moved {
		t.Errorf("unix_stream_connect is at %#x, linked at %#x, KASLR added %#x", there, linked, moved)
	}
}
