package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"ktrap"
)

// The targets: how much longer than by hand ktrap may take to attach 200 probes, and
// how long it may keep who pressed Ctrl-C then.
const (
	targetAttach = 1.2
	targetPrompt = 200 * time.Millisecond
	targetPlaces = 200
)

// crowded is a function of many instructions, all of whose places are probed.
const crowded = "path_openat"

// attachRun is how long many probes in one function take. By hand, there is no prompt.
type attachRun struct {
	Attach time.Duration `json:"attach_ns"`
	Detach time.Duration `json:"detach_ns"`
	Prompt time.Duration `json:"prompt_ns,omitempty"` // after Ctrl-C
	Clean  time.Duration `json:"clean_ns,omitempty"`  // after Ctrl-C, until the kernel is as it was
}

type attaches []figures[attachRun]

// measureAttaches takes turns, so that what disturbs one way disturbs the other.
func measureAttaches(o options) results {
	all := attaches{}
	for _, n := range []int{50, targetPlaces, 500} {
		if o.only != "" && o.only != fmt.Sprint(n) {
			continue
		}
		hand := figures[attachRun]{Tool: fmt.Sprintf("by hand, %d places", n)}
		ours := figures[attachRun]{Tool: fmt.Sprintf("ktrap, %d places", n)}
		fmt.Fprintf(os.Stderr, "bench: %d places\n", n)
		places, err := somePlaces(n)
		for range o.runs {
			if err == nil {
				err = errors.Join(hand.add(places, byHand), ours.add(places, byKtrap))
			}
		}
		if err != nil {
			hand.Error, ours.Error = err.Error(), err.Error()
		}
		all = append(all, hand, ours)
	}
	return &all
}

func (f *figures[R]) add(places []ktrap.Probe, measure func([]ktrap.Probe) (R, error)) error {
	run, err := measure(places)
	f.Runs = append(f.Runs, run)
	return err
}

// somePlaces are instructions inside the function where probes can stand.
func somePlaces(n int) (places []ktrap.Probe, err error) {
	k, err := ktrap.KernelConfig{}.Open()
	if err != nil {
		return nil, err
	}
	defer k.Close()
	d, err := k.Disassemble(crowded, ktrap.Disassembler{})
	if err != nil {
		return nil, err
	}
	for _, line := range d.Lines[4:] { // behind the entry
		if line.Mark != ktrap.MarkNone && line.Mark != ktrap.MarkUnknown {
			places = append(places, ktrap.Probe{Symbol: crowded, Offset: line.Offset, Comm: "nobody", Quiet: true})
		}
	}
	if len(places) < n {
		return nil, fmt.Errorf("%s has %d places for probes, not %d", crowded, len(places), n)
	}
	return places[:n], nil
}

const (
	tracing  = "/sys/kernel/tracing"
	handMade = "bench/hand"
)

// byHand makes an event of all places and opens it for perf.
func byHand(places []ktrap.Probe) (run attachRun, err error) {
	events, err := os.OpenFile(filepath.Join(tracing, "kprobe_events"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return run, err
	}
	defer events.Close()
	began := time.Now()
	for _, p := range places {
		if _, err := fmt.Fprintf(events, "p:%s %s+%d\n", handMade, p.Symbol, p.Offset); err != nil {
			return run, err
		}
	}
	id, err := os.ReadFile(filepath.Join(tracing, "events", handMade, "id"))
	if err != nil {
		return run, err
	}
	config, err := strconv.ParseUint(strings.TrimSpace(string(id)), 10, 64)
	if err != nil {
		return run, err
	}
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Size: unix.PERF_ATTR_SIZE_VER5, Config: config}
	fd, err := unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return run, err
	}
	run.Attach = time.Since(began)
	time.Sleep(time.Second) // the kernel makes jumps of them meanwhile
	began = time.Now()
	err = unix.Close(fd)
	_, failed := fmt.Fprintf(events, "-:%s\n", handMade)
	run.Detach = time.Since(began)
	return run, errors.Join(err, failed)
}

// byKtrap attaches by the library, and then by the command, which is interrupted.
func byKtrap(places []ktrap.Probe) (run attachRun, err error) {
	s, err := ktrap.Config{Guard: []string{"ktrap", "guard"}}.Open(context.Background())
	if err != nil {
		return run, err
	}
	var probes []*ktrap.Probe
	for i := range places { // as the command finds its probes, before it attaches them
		some, err := s.Probes(places[i].Place(), places[i])
		if err != nil {
			return run, errors.Join(err, s.Close())
		}
		probes = append(probes, some...)
	}
	began := time.Now()
	if _, err := s.Register(context.Background(), probes...); err != nil {
		return run, errors.Join(err, s.Close())
	}
	run.Attach = time.Since(began)
	time.Sleep(time.Second)
	began = time.Now()
	err = s.Close()
	run.Detach = time.Since(began)
	return run, errors.Join(err, run.interrupted(places))
}

func (run *attachRun) interrupted(places []ktrap.Probe) error {
	args := []string{"trace", "--comm", "nobody"}
	for i := range places {
		args = append(args, places[i].Place())
	}
	said, err := os.CreateTemp("", "said")
	if err != nil {
		return err
	}
	defer os.Remove(said.Name())
	trace := exec.Command("ktrap", args...)
	trace.Stderr = said
	if err := trace.Start(); err != nil {
		return err
	}
	if err := until(time.Minute, func() bool {
		text, _ := os.ReadFile(said.Name())
		return strings.Contains(string(text), attached)
	}); err != nil {
		return errors.Join(fmt.Errorf("ktrap does not attach: %w", err), trace.Process.Kill(), trace.Wait())
	}
	time.Sleep(time.Second)
	began := time.Now()
	if err := errors.Join(trace.Process.Signal(unix.SIGINT), trace.Wait()); err != nil {
		return err
	}
	run.Prompt = time.Since(began)
	err = until(time.Minute, func() bool {
		text, err := os.ReadFile(filepath.Join(tracing, "kprobe_events"))
		return err == nil && len(text) == 0
	})
	run.Clean = time.Since(began)
	return err
}

// until waits for something, not longer than that.
func until(long time.Duration, done func() bool) error {
	for began := time.Now(); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > long {
			return fmt.Errorf("not within %v", long)
		}
	}
	return nil
}

func (a *attaches) table(w *tabwriter.Writer) {
	fmt.Fprintln(w, "probes in "+crowded+"\tattach s\tdetach s\tCtrl-C to prompt ms\tto a clean kernel s")
	rows(w, *a,
		func(r attachRun) float64 { return r.Attach.Seconds() },
		func(r attachRun) float64 { return r.Detach.Seconds() },
		func(r attachRun) float64 { return 1000 * r.Prompt.Seconds() },
		func(r attachRun) float64 { return r.Clean.Seconds() })
	fmt.Fprintln(w, "median (least–most); by hand: one tracefs event of all places, opened for perf")
}

func (a *attaches) check() error {
	var errs []error
	median := map[string]float64{}
	for _, f := range *a {
		if f.Error != "" {
			errs = append(errs, fmt.Errorf("%s: %s", f.Tool, f.Error))
			continue
		}
		median[f.Tool] = f.of(func(r attachRun) float64 { return r.Attach.Seconds() }).median
		if prompt := f.of(func(r attachRun) float64 { return r.Prompt.Seconds() }).median; prompt > targetPrompt.Seconds() && strings.Contains(f.Tool, fmt.Sprint(" ", targetPlaces, " ")) {
			errs = append(errs, fmt.Errorf("%s: the prompt is back after %.0f ms; the target is %v", f.Tool, 1000*prompt, targetPrompt))
		}
	}
	names := []string{fmt.Sprintf("ktrap, %d places", targetPlaces), fmt.Sprintf("by hand, %d places", targetPlaces)}
	if ours, hand := median[names[0]], median[names[1]]; !slices.Contains([]float64{ours, hand}, 0) && ours > targetAttach*hand {
		errs = append(errs, fmt.Errorf("%d probes attach in %.2f s, %.2f times what it takes by hand; the target is %v", targetPlaces, ours, ours/hand, targetAttach))
	}
	return errors.Join(errs...)
}
