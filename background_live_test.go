//go:build live

package ktrap_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ktrap"
)

// TestCtrlCGivesThePromptBackAndTheRestIsRemovedBehindIt interrupts a trace of 200
// places. What is left has to be disarmed and go away by itself, also if
// the process that removes it is killed.
func TestCtrlCGivesThePromptBackAndTheRestIsRemovedBehindIt(t *testing.T) {
	before := armed(t)
	for _, c := range []struct {
		args string
		kill bool
	}{
		{"path_openat+0..0x380", false},
		{"path_openat+0..0x380", true},
		{"path_openat+0..0x50 --mechanism=kprobe", true},
	} {
		said := t.TempDir() + "/said"
		stderr, err := os.Create(said)
		must(t, err)
		text := func() string {
			text, err := os.ReadFile(said)
			must(t, err)
			return string(text)
		}
		trace := exec.CommandContext(t.Context(), "ktrap", append([]string{"trace", "--comm", "nobody"}, strings.Fields(c.args)...)...)
		trace.Stderr = stderr
		must(t, trace.Start())
		for armed(t) == before || !strings.Contains(text(), "Ctrl-C") {
			time.Sleep(50 * time.Millisecond)
		}
		began := time.Now()
		must(t, trace.Process.Signal(unix.SIGINT))
		err = trace.Wait()
		took := time.Since(began)
		t.Logf("%s: prompt after %v:\n%s", c.args, took, text()[:min(100, len(text()))])
		if err != nil || took > time.Second || !strings.Contains(text(), "still removing") {
			t.Errorf("%v, after %v:\n%s", err, took, text())
		}
		if c.kill {
			var pid int
			_, process, _ := strings.Cut(text(), "(process ")
			_, err = fmt.Sscanf(process, "%d)", &pid)
			if err != nil || pid <= 1 {
				t.Fatalf("no process in %q: %v", text(), err)
			}
			must(t, unix.Kill(pid, unix.SIGKILL))
		}
		for armed(t) != before {
			if time.Since(began) > 30*time.Second {
				t.Fatalf("still there:\n%s", armed(t))
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Logf("clean after %v", time.Since(began))
	}
}

// TestCtrlCGivesThePromptBackWhileProbesAreAttached interrupts commands while they look
// at the function, and while they define places and arm them.
func TestCtrlCGivesThePromptBackWhileProbesAreAttached(t *testing.T) {
	before := armed(t)
	begins := func() {
		for armed(t) == before {
			time.Sleep(5 * time.Millisecond)
		}
	}
	for _, c := range []struct {
		args  string
		until func()
		more  time.Duration
	}{
		{"path path_openat", func() {}, 400 * time.Millisecond},
		{"path path_openat", begins, 700 * time.Millisecond},
		{"path do_sys_openat2", begins, 150 * time.Millisecond},
	} {
		var said strings.Builder
		cmd := exec.CommandContext(t.Context(), "ktrap", strings.Fields(c.args)...)
		cmd.Stderr = &said
		must(t, cmd.Start())
		c.until()
		time.Sleep(c.more)
		began := time.Now()
		must(t, cmd.Process.Signal(unix.SIGINT))
		err := cmd.Wait()
		took := time.Since(began)
		for armed(t) != before && time.Since(began) < 30*time.Second {
			time.Sleep(50 * time.Millisecond)
		}
		t.Logf("%s: prompt after %v, clean after %v: %v: %s", c.args, took, time.Since(began), err, said.String())
		if took > time.Second || armed(t) != before {
			t.Errorf("%s: prompt after %v; of\n%s\nis left\n%s", c.args, took, before, armed(t))
		}
	}
}

// TestListTellsWhoRemovesWhatASessionLeft has the guard pause, which takes its turn when
// nothing is armed any more.
func TestListTellsWhoRemovesWhatASessionLeft(t *testing.T) {
	before := armed(t)
	said := t.TempDir() + "/said"
	stderr, err := os.Create(said)
	must(t, err)
	trace := exec.CommandContext(t.Context(), "ktrap", "trace", "--comm", "nobody", "path_openat+0..0x50")
	trace.Stderr = stderr
	must(t, trace.Start())
	text := func() string { text, _ := os.ReadFile(said); return string(text) }
	guard := 0
	for began := time.Now(); guard == 0; time.Sleep(10 * time.Millisecond) {
		if guard = processNamed(t, "guard-probes"); time.Since(began) > 20*time.Second {
			t.Fatalf("no guard: %s", text())
		}
	}
	must(t, unix.Kill(guard, unix.SIGSTOP))
	defer unix.Kill(guard, unix.SIGCONT)
	for !strings.Contains(text(), "Ctrl-C") {
		time.Sleep(10 * time.Millisecond)
	}
	must(t, trace.Process.Signal(unix.SIGINT))
	must(t, trace.Wait())
	want := fmt.Sprintf("being removed by process %d", guard)
	for began := time.Now(); ; { // first another process disarms them
		list, err := exec.CommandContext(t.Context(), "ktrap", "list").CombinedOutput()
		must(t, err)
		if strings.Contains(string(list), want) {
			break
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("no %q in\n%s\nof\n%s", want, list, text())
		}
	}
	must(t, unix.Kill(guard, unix.SIGCONT))
	for began := time.Now(); armed(t) != before; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("still there:\n%s", armed(t))
		}
	}
}

// processNamed is a process of that name, 0 if there is none.
func processNamed(t *testing.T, comm string) (pid int) {
	all, err := filepath.Glob("/proc/[0-9]*/comm")
	must(t, err)
	for _, path := range all {
		if text, err := os.ReadFile(path); err == nil && string(text) == comm+"\n" {
			fmt.Sscanf(path, "/proc/%d/comm", &pid)
		}
	}
	return pid
}

func TestASessionInTheBackgroundIsWaitedFor(t *testing.T) {
	before := armed(t)
	s, err := ktrap.Config{Guard: []string{"ktrap", "guard"}, Background: true}.Open(t.Context())
	must(t, err)
	probes, err := s.Probes(whole(t, s, "ksys_write"), ktrap.Probe{PID: uint32(os.Getpid())})
	must(t, err)
	regs := register(t, s, probes...)
	if _, err := os.Stdout.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	must(t, s.Close())
	hits := uint64(0)
	for _, r := range regs {
		l := ledger(t, r)
		hits += l.Hits
		if !l.Complete {
			t.Errorf("%+v", l)
		}
	}
	probesLeft, pid := s.Removing()
	if hits < 5 || probesLeft < len(regs)/2 || pid == 0 {
		t.Errorf("%d hits, %d of %d probes are removed by process %d", hits, probesLeft, len(regs), pid)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if must(t, s.Wait(ctx)); armed(t) != before {
		t.Errorf("still there:\n%s", armed(t))
	}
}
