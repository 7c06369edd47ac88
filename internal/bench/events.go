package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"ktrap/lab"
)

// The burst: one thread makes these calls as fast as it can.
const (
	called = "__x64_sys_umask"
	calls  = 500_000
)

// The target: the part of the calls that ktrap delivers in its worst run. Those
// that it does not deliver it counts, to the last one.
const targetDelivered = 0.99

// recorders all write a line a call: when, on which CPU, who, where, with what.
var recorders = []peer{
	{name: "ktrap", args: []string{"ktrap", "trace", called, "--json", "-o", "events"}, says: attached,
		mark: `"kind":"pre"`, told: ktrapTold},
	{name: "bpftrace kprobe", args: []string{"bpftrace", "-e", "kprobe:" + called + ` { printf("` +
		`{\"time\":%llu,\"cpu\":%d,\"pid\":%d,\"tid\":%d,\"comm\":\"%s\",\"probe\":\"%s\",\"args\":{\"regs\":\"0x%llx\"}}\n` +
		`", nsecs, cpu, pid, tid, comm, probe, arg0); }`},
		mark: `"comm"`, told: bpftraceTold},
	{name: "perf record, perf script", args: []string{"perf", "record", "-q", "-B", "-N", "-a", "-e", perfEvent, "-o", perfData},
		mark: perfEvent + ":", told: perfTold, prepare: definePerfEvent,
		finish: [][]string{
			{"perf", "script", "--show-lost-events", "-i", perfData},
			{"perf", "report", "--stats", "-i", perfData},
		}},
	{name: "no probe"},
}

// burstRun is what became of the calls.
type burstRun struct {
	Calls int64         `json:"calls"`
	Call  time.Duration `json:"call_ns"` // what one took, as the caller has it
	Lines int64         `json:"lines"`
	Bytes int64         `json:"line_bytes"` // of all lines
	Told  account       `json:"told"`
	// Drain is from the last call to the last line.
	Drain  time.Duration `json:"drain_ns"`
	CPU    time.Duration `json:"cpu_ns"` // of the tool, from attached to the last line
	Memory int64         `json:"peak_bytes"`
}

// missing are calls that were not delivered and that the tool does not tell of.
func (r burstRun) missing() int64 { return r.Calls - r.Lines - r.Told.Lost }

type bursts []figures[burstRun]

func measureBursts(o options) results {
	b := bursts(all(recorders, o.runs, measureBurst))
	return &b
}

func measureBurst(p peer) (run burstRun, err error) {
	if p.args == nil {
		return burst()
	}
	if p.prepare != nil {
		undo, err := p.prepare()
		if err != nil {
			return run, err
		}
		defer undo()
	}
	t, err := attachTool(p, called)
	if err != nil {
		return run, err
	}
	defer t.close()
	before, err := t.settled()
	if err != nil {
		return run, err
	}
	if run, err = burst(); err != nil {
		return run, err
	}
	ended := time.Now()
	written, err := t.quiet()
	if err != nil {
		return run, err
	}
	run.Drain = max(0, written.Sub(ended))
	after, err1 := t.cpu()
	run.CPU = after - before
	run.Memory, err = t.memory()
	if err := errors.Join(err, err1, t.interrupt(), t.finish(p.finish, &run)); err != nil {
		return run, err
	}
	return run, t.count(p, &run)
}

func burst() (burstRun, error) {
	began := time.Now()
	n, err := lab.Load(context.Background(), fmt.Sprintf("umask:%d", calls))
	return burstRun{Calls: int64(n), Call: time.Since(began) / time.Duration(max(1, n))}, err
}

// quiet waits until the tool writes no more, and returns when it last did.
func (t *tool) quiet() (time.Time, error) {
	size, changed := int64(-1), time.Now()
	for time.Since(changed) < silence {
		if err := t.running(); err != nil {
			return changed, err
		}
		now, err := t.written()
		if err != nil {
			return changed, err
		}
		if now != size {
			size, changed = now, time.Now()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return changed, nil
}

const silence = time.Second

// finish runs the programs that make lines of what was recorded, as a part of
// the tool.
func (t *tool) finish(programs [][]string, run *burstRun) error {
	for _, args := range programs {
		out, err := os.Create(filepath.Join(t.folder, args[1]))
		if err != nil {
			return err
		}
		defer out.Close()
		began := time.Now()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir, cmd.Stdout = t.folder, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
		}
		run.Drain += time.Since(began)
		run.CPU += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	return os.RemoveAll(filepath.Join(t.folder, perfData))
}

func (t *tool) count(p peer, run *burstRun) error {
	l, err := t.lines(p.mark)
	if err != nil {
		return err
	}
	run.Lines, run.Bytes = l.n, l.bytes
	run.Told, err = p.told(l.rest.String())
	return err
}

func (b *bursts) table(w *tabwriter.Writer) {
	const ms, mb = float64(time.Millisecond), 1e6
	fmt.Fprintf(w, "%d calls\tns a call\tlines\tlost, told\tlost, not told\tdrain ms\tCPU ms\tpeak MB\tbytes a line\n", calls)
	for _, f := range *b {
		if f.Error != "" {
			fmt.Fprintf(w, "%s\t%s\n", f.Tool, f.Error)
			continue
		}
		fmt.Fprintf(w, "%s\t%v", f.Tool, f.of(func(r burstRun) float64 { return float64(r.Call) }))
		if f.Runs[0].Memory == 0 { // there was no tool
			fmt.Fprintln(w)
			continue
		}
		fmt.Fprintf(w, "\t%v\t%v\t%v\t%v\t%v\t%v\t%v\n",
			f.of(func(r burstRun) float64 { return float64(r.Lines) }),
			f.of(func(r burstRun) float64 { return float64(r.Told.Lost) }),
			f.of(func(r burstRun) float64 { return float64(r.missing()) }),
			f.of(func(r burstRun) float64 { return float64(r.Drain) / ms }),
			f.of(func(r burstRun) float64 { return float64(r.CPU) / ms }),
			f.of(func(r burstRun) float64 { return float64(r.Memory) / mb }),
			f.of(func(r burstRun) float64 { return float64(r.Bytes) / max(1, float64(r.Lines)) }))
	}
	fmt.Fprintln(w, "median (least–most); times are the host's, under emulation")
}

func (b *bursts) check() error {
	f, err := ours(*b)
	if err != nil {
		return err
	}
	for _, r := range f.Runs {
		if r.Told.Hits != r.Calls || r.missing() != 0 {
			return fmt.Errorf("ktrap tells of %d hits and %d lost, and wrote %d lines: of %d calls %d are unaccounted for",
				r.Told.Hits, r.Told.Lost, r.Lines, r.Calls, r.missing())
		}
		if float64(r.Lines) < targetDelivered*float64(r.Calls) {
			return fmt.Errorf("ktrap delivered %d of %d calls: the target is %.0f %%", r.Lines, r.Calls, 100*targetDelivered)
		}
	}
	return nil
}
