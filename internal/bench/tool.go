package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tool is a program under way that has put a probe on a function. All that it
// writes goes to a folder, which is its working directory.
type tool struct {
	name     string
	folder   string
	function *function
	pid      int
	began    time.Time
}

// attachTool starts a tool and returns as soon as it is attached.
func attachTool(p peer, function string) (*tool, error) {
	t := &tool{name: p.args[0]}
	fail := func(err error) (*tool, error) { return nil, errors.Join(err, t.close()) }
	var err error
	if t.function, err = findFunction(function); err != nil {
		return fail(err)
	}
	if t.folder, err = os.MkdirTemp("", "bench-"); err != nil {
		return fail(err)
	}
	if p.file != "" {
		if err := os.WriteFile(filepath.Join(t.folder, handlerFile), []byte(p.file), 0o600); err != nil {
			return fail(err)
		}
	}
	if err := t.start(p.args); err != nil {
		return fail(err)
	}
	if err := t.await(t.function.probed); err != nil {
		return fail(err)
	}
	if err := t.await(func() (bool, error) { return t.said(p.says) }); err != nil {
		return fail(err)
	}
	return t, nil
}

func (t *tool) start(args []string) error {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return fmt.Errorf("there is no %s on the host", args[0])
	}
	in, err1 := os.Open(os.DevNull)
	out, err2 := os.Create(filepath.Join(t.folder, "stdout"))
	errs, err3 := os.Create(filepath.Join(t.folder, "stderr"))
	defer in.Close()
	defer out.Close()
	defer errs.Close()
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	t.began = time.Now()
	p, err := os.StartProcess(path, args, &os.ProcAttr{Dir: t.folder, Files: []*os.File{in, out, errs}})
	if err != nil {
		return fmt.Errorf("start %s: %w", t.name, err)
	}
	t.pid = p.Pid
	return p.Release()
}

// glance is the time between two looks at a tool: how late it may be seen what
// it does. A look takes some 10 µs.
const glance = 100 * time.Microsecond

// patience bounds what a tool may take to attach, or to end.
const patience = 2 * time.Minute

// await returns as soon as something is so; a tool that ends before is an error.
func (t *tool) await(so func() (bool, error)) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if now, err := so(); now || err != nil {
			return err
		}
		if err := t.running(); err != nil {
			return err
		}
		unix.Nanosleep(&unix.Timespec{Nsec: int64(glance)}, nil)
	}
	return fmt.Errorf("not attached after %v", patience)
}

func (t *tool) said(words string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(t.folder, "stderr"))
	return bytes.Contains(text, []byte(words)), err
}

// cpu returns the user and system time of all threads together, exactly: in
// sched_clock's nanoseconds, where /proc/PID/stat has ticks.
func (t *tool) cpu() (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^t.pid<<3|schedClock), &ts); err != nil {
		return 0, fmt.Errorf("read the CPU clock of %s: %w", t.name, err)
	}
	return time.Duration(ts.Nano()), nil
}

// settled waits until the tool has little more to do, and returns its CPU time:
// a probe may be there long before the tool is ready for hits.
func (t *tool) settled() (time.Duration, error) {
	const pause = 500 * time.Millisecond
	for used, deadline := time.Duration(0), time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(pause) {
		now, err := t.cpu()
		if err != nil || now-used < pause/4 {
			return now, err
		}
		used = now
	}
	return 0, fmt.Errorf("still busy after %v", patience)
}

// memory returns the most bytes that were ever resident.
func (t *tool) memory() (int64, error) {
	status, err := t.proc("status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(status, "VmHWM:")
	kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kib, 10, 64)
	return n << 10, err
}

// files returns the bytes of the program and of the libraries and data that it
// has mapped, but for files that the kernel makes up.
func (t *tool) files() (int64, error) {
	maps, err := t.proc("maps")
	if err != nil {
		return 0, err
	}
	total, seen := int64(0), map[string]bool{}
	for line := range strings.Lines(maps) {
		fields := strings.Fields(line)
		if len(fields) != 6 || seen[fields[5]] || strings.HasPrefix(fields[5], "/sys/") {
			continue
		}
		seen[fields[5]] = true
		if info, err := os.Stat(fields[5]); err == nil {
			total += info.Size()
		}
	}
	return total, nil
}

// written returns the bytes of all that the tool has written.
func (t *tool) written() (int64, error) {
	total := int64(0)
	entries, err := os.ReadDir(t.folder)
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			total += info.Size()
		}
	}
	return total, err
}

func (t *tool) proc(file string) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", t.pid, file))
	return string(text), err
}

// running is an error once the tool has ended: with its last words.
func (t *tool) running() error {
	var status unix.WaitStatus
	pid, err := unix.Wait4(t.pid, &status, unix.WNOHANG, nil)
	if err != nil || pid == 0 {
		return err
	}
	t.pid = 0
	text, _ := os.ReadFile(filepath.Join(t.folder, "stderr"))
	text = bytes.TrimSpace(text[max(0, len(text)-500):])
	return fmt.Errorf("ended with exit code %d: %s", status.ExitStatus(), bytes.ReplaceAll(text, []byte("\n"), []byte(" | ")))
}

// interrupt ends the tool as a user does, and waits until it has; where it
// does not it is killed. To leave a probe behind is an error.
func (t *tool) interrupt() error {
	// bpftrace 0.17 does not heed a signal that comes as its wait for events ends,
	// which it does when this process has kept the processor for long.
	time.Sleep(breath)
	unix.Kill(t.pid, unix.SIGINT)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if pid, err := unix.Wait4(t.pid, nil, unix.WNOHANG, nil); pid != 0 {
			t.pid = 0
			return errors.Join(err, t.function.clean())
		}
	}
	return fmt.Errorf("not ended %v after SIGINT", patience)
}

const breath = 10 * time.Millisecond

func (t *tool) close() error {
	if t.pid != 0 {
		unix.Kill(t.pid, unix.SIGKILL)
		unix.Wait4(t.pid, nil, 0, nil)
	}
	if t.function != nil {
		t.function.close()
	}
	return os.RemoveAll(t.folder)
}
