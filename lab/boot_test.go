//go:build vm

package lab

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These tests boot machines: run them with go test -tags vm ./lab. The test
// program is the first process of its machines.
func TestMain(m *testing.M) {
	Init()
	os.Exit(m.Run())
}

var shell = []string{"/bin/sh", "/bin/cat", "/usr/bin/sleep", "/usr/bin/head", "/usr/bin/wc"}

func booted(t *testing.T, cfg Config) *VM {
	t.Helper()
	cfg.Files = append(cfg.Files, shell...)
	vm, err := Boot(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vm.Close() })
	return vm
}

func sh(script string) Cmd { return Cmd{Args: []string{"sh", "-c", script}} }

func TestABootedMachinePassesStreamsExitCodesAndSignals(t *testing.T) {
	vm := booted(t, Config{})
	t.Run("streams", func(t *testing.T) {
		var out, errs bytes.Buffer
		cmd := sh("cat; echo oops >&2; exit 7")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("a\x00\r\n"), &out, &errs
		exit, err := vm.Run(t.Context(), cmd)
		if exit != 7 || err != nil || out.String() != "a\x00\r\n" || errs.String() != "oops\n" {
			t.Errorf("got %d, %v, %q, %q", exit, err, &out, &errs)
		}
	})
	t.Run("a large output", func(t *testing.T) {
		var out counter
		cmd := sh("head -c 100000000 /dev/zero")
		cmd.Stdout = &out
		if exit, err := vm.Run(t.Context(), cmd); exit != 0 || err != nil || out != 100_000_000 {
			t.Errorf("got %d bytes, exit %d, %v", out, exit, err)
		}
	})
	t.Run("a large input", func(t *testing.T) {
		var out bytes.Buffer
		cmd := sh("wc -c")
		cmd.Stdin, cmd.Stdout = strings.NewReader(strings.Repeat("x", 10_000_000)), &out
		if exit, err := vm.Run(t.Context(), cmd); exit != 0 || err != nil || out.String() != "10000000\n" {
			t.Errorf("got %q, exit %d, %v", &out, exit, err)
		}
	})
	t.Run("a signal", func(t *testing.T) {
		signals := make(chan os.Signal, 1)
		signals <- unix.SIGINT
		cmd := sh("sleep 60")
		cmd.Signals = signals
		if exit, err := vm.Run(t.Context(), cmd); exit != 130 || err != nil {
			t.Errorf("got exit %d, %v; want 130", exit, err)
		}
	})
	t.Run("no such command", func(t *testing.T) {
		if exit, err := vm.Run(t.Context(), Cmd{Args: []string{"nothing"}}); exit != 127 || err == nil {
			t.Errorf("got exit %d, %v; want 127", exit, err)
		}
	})
}

func TestAPanicIsReportedWithItsConsole(t *testing.T) {
	_, err := booted(t, Config{}).Run(t.Context(), sh("echo c >/proc/sysrq-trigger"))
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "ended: kernel panic: sysrq triggered crash;") {
		t.Errorf("got %v", err)
	}
}

func TestAMachineThatHangsIsReportedWithinABound(t *testing.T) {
	vm := booted(t, Config{CPUs: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	start := time.Now()
	_, err := vm.Run(ctx, sh("sleep 1000"))
	var dead *DeadError
	if !errors.As(err, &dead) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestAKernelThatNeverComesUpIsReportedWithinABound(t *testing.T) {
	start := time.Now()
	_, err := Boot(t.Context(), Config{Append: "init=/nothing rdinit=/nothing panic=0", BootTimeout: 8 * time.Second})
	var dead *DeadError
	if !errors.As(err, &dead) || !strings.Contains(err.Error(), "did not come up in time") || time.Since(start) > 15*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestAFileThatIsNoKernelEndsTheBoot(t *testing.T) {
	_, err := Boot(t.Context(), Config{Kernel: "/bin/sh"})
	if err == nil || err.Error() != "read kernel /bin/sh: neither a bzImage nor an arm64 Image" {
		t.Errorf("got %v", err)
	}
}

func TestNoEmulatorSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", "/nothing")
	want := "no emulator on this machine: apt-get install qemu-system-x86 brings qemu-system-x86_64"
	if _, err := Boot(t.Context(), Config{}); !errors.Is(err, ErrNoQEMU) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAModuleIsLoadedWithWhatItNeeds(t *testing.T) {
	var out bytes.Buffer
	cmd := sh("cat /proc/modules")
	cmd.Stdout = &out
	if _, err := booted(t, Config{Modules: []string{"virtio-net"}}).Run(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	for _, module := range []string{"virtio_net ", "net_failover ", "failover "} {
		if !strings.Contains(out.String(), "\n"+module) && !strings.HasPrefix(out.String(), module) {
			t.Errorf("%snot loaded; there are\n%s", module, &out)
		}
	}
}
