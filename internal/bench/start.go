package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// The target: what ktrap's worst run may have taken once it is attached.
const (
	targetCPU    = 60 * time.Millisecond
	targetMemory = 40_000_000
)

// attached is what ktrap says when all is armed.
const attached = "attached in"

// handlerFile is a file in a tool's folder.
const handlerFile = "handler.go"

// connects is the same line as the other tools', from a handler that is compiled.
const connects = `package trap

//ktrap:pre unix_stream_connect
func connects(sock *socket, uaddr *sockaddr, addr_len, flags int32) {
	printf("%d %s(%x, %x, %d, %d)", pid(), comm(), sock, uaddr, addr_len, flags)
}
`

const connecting = "unix_stream_connect"

// starters all print who connects, and the call's four arguments.
var starters = []peer{
	{name: "ktrap", args: []string{"ktrap", "trace", connecting}, says: attached},
	{name: "ktrap run", args: []string{"ktrap", "run", handlerFile}, says: attached, file: connects},
	{name: "bpftrace kprobe", args: []string{"bpftrace", "-e", "kprobe:" + connecting +
		` { printf("%d %s(%p, %p, %d, %d)\n", pid, comm, arg0, arg1, arg2, arg3) }`}},
	{name: "bpftrace kfunc", args: []string{"bpftrace", "-e", "kfunc:" + connecting +
		` { printf("%d %s(%p, %p, %d, %d)\n", pid, comm, args->sock, args->uaddr, args->addr_len, args->flags) }`}},
}

// startRun is what a tool has taken when its probe is there.
type startRun struct {
	CPU    time.Duration `json:"cpu_ns"`  // of all its threads, user and system
	Wall   time.Duration `json:"wall_ns"` // since it was started
	Memory int64         `json:"peak_bytes"`
	Files  int64         `json:"file_bytes"` // the program and its libraries
}

type starts []figures[startRun]

func measureStarts(o options) results {
	if err := lookFirst(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v: probes may be seen late\n", err)
	}
	s := starts(all(starters, o.runs, measureStart))
	return &s
}

// lookFirst lets this thread look for the probe when it wants to, however busy
// a tool keeps the only processor. Tools don't inherit that.
func lookFirst() error {
	runtime.LockOSThread()
	return unix.SchedSetAttr(0, &unix.SchedAttr{
		Policy: unix.SCHED_FIFO, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
	}, 0)
}

func measureStart(p peer) (run startRun, err error) {
	t, err := attachTool(p, connecting)
	if err != nil {
		return run, err
	}
	defer t.close()
	run.Wall = time.Since(t.began)
	var errs [3]error
	run.CPU, errs[0] = t.cpu()
	run.Memory, errs[1] = t.memory()
	run.Files, errs[2] = t.files()
	if err := errors.Join(errs[:]...); err != nil {
		return run, err
	}
	return run, t.prove()
}

// prove makes some calls and is an error unless the tool shows all of them:
// what was timed works.
func (t *tool) prove() error {
	const calls = 3
	if _, err := t.settled(); err != nil {
		return err
	}
	for range calls {
		if err := connect(filepath.Join(t.folder, "socket")); err != nil {
			return err
		}
	}
	if _, err := t.settled(); err != nil {
		return err
	}
	if err := t.interrupt(); err != nil {
		return err
	}
	lines, err := t.lines("bench")
	if err == nil && lines.n != calls {
		err = fmt.Errorf("shows %d of %d calls", lines.n, calls)
	}
	return err
}

func connect(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	return c.Close()
}

func (s *starts) table(w *tabwriter.Writer) {
	const ms, mb = float64(time.Millisecond), 1e6
	fmt.Fprintln(w, "from start to attached\tCPU ms\twall ms\tpeak MB\tprogram and libraries MB")
	rows(w, *s,
		func(r startRun) float64 { return float64(r.CPU) / ms },
		func(r startRun) float64 { return float64(r.Wall) / ms },
		func(r startRun) float64 { return float64(r.Memory) / mb },
		func(r startRun) float64 { return float64(r.Files) / mb })
	fmt.Fprintln(w, "median (least–most); 1 ms is a million instructions")
}

func (s *starts) check() error {
	var errs []error
	for _, f := range *s {
		if !strings.HasPrefix(f.Tool, "ktrap") {
			continue
		}
		if f.Error != "" {
			errs = append(errs, fmt.Errorf("%s: %s", f.Tool, f.Error))
		}
		for _, r := range f.Runs {
			if r.CPU > targetCPU || r.Memory > targetMemory {
				errs = append(errs, fmt.Errorf("%s took %v of CPU time and %d bytes to attach: the target is %v and %d", f.Tool, r.CPU, r.Memory, targetCPU, targetMemory))
			}
		}
	}
	return errors.Join(errs...)
}
