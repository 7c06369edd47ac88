package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"ktrap"
	"ktrap/symbols"
)

// The targets: what a hit may cost where only a count is asked for at a
// function's entry, in instructions above the function without a probe; and how
// much of what it costs with the peer.
const (
	targetCount = 150
	targetRatio = 1.0
)

// hit is what a hit costs with each tool.
type hit struct {
	What     string           `json:"what"`
	Way      string           `json:"way"`
	Ktrap    figures[float64] `json:"ktrap"`
	Bpftrace figures[float64] `json:"bpftrace"`
}

// hitCosts are figures of instructions: what a call of the probed function takes more
// than without a probe.
type hitCosts struct {
	Kernel string  `json:"kernel"`
	Bare   float64 `json:"bare"` // a call without a probe, of the system and back
	Hits   []hit   `json:"hits"`
	Error  string  `json:"error,omitempty"`
}

func measureHits(o options) results {
	h := &hitCosts{Kernel: release()}
	if err := h.measure(o); err != nil {
		h.Error = err.Error()
	}
	return h
}

func release() string {
	var name unix.Utsname
	// uname fails only on a bad pointer.
	_ = unix.Uname(&name)
	return unix.ByteSliceToString(name.Release[:])
}

func (h *hitCosts) measure(o options) error {
	jump, trap, err := inside(called)
	if err != nil {
		return err
	}
	if err := lookFirst(); err != nil {
		return err
	}
	h.Bare = call()
	live := symbols.Open(symbols.Options{})
	defer live.Close()
	for _, a := range questions(jump, trap) {
		if !strings.Contains(a.what+" "+a.way, o.only) || !a.possible(live) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s by %s\n", a.what, a.way)
		tools := a.peers()
		h.Hits = append(h.Hits, hit{a.what, a.way, h.ask(a, tools[0], o.runs), h.ask(a, tools[1], o.runs)})
	}
	return nil
}

// inside finds two places in a function: where a jump takes a probe's place, and
// where a trap does.
func inside(function string) (jump, trap uint64, err error) {
	k, err := ktrap.KernelConfig{}.Open()
	if err != nil {
		return 0, 0, err
	}
	defer k.Close()
	d, err := k.Disassemble(function, ktrap.Disassembler{})
	if err != nil {
		return 0, 0, err
	}
	for _, l := range d.Lines {
		switch l.Mark {
		case ktrap.MarkOptimised:
			jump = cmp.Or(jump, l.Offset)
		case ktrap.MarkBoosted, ktrap.MarkInt3:
			trap = cmp.Or(trap, l.Offset)
		}
	}
	if jump == 0 || trap == 0 {
		return 0, 0, fmt.Errorf("%s has no place for a jump (+%#x) or for a trap (+%#x)", function, jump, trap)
	}
	return jump, trap, nil
}

func (h *hitCosts) ask(a asked, p peer, runs int) figures[float64] {
	f := figures[float64]{Tool: p.name}
	for range runs {
		cost, err := a.costOf(p)
		if err != nil {
			f.Runs, f.Error = nil, err.Error()
			break
		}
		f.Runs = append(f.Runs, cost-h.Bare)
	}
	return f
}

// costOf measures a call while a tool watches, and that it has seen all of them.
func (a asked) costOf(p peer) (float64, error) {
	t, err := attachTool(p, called)
	if err != nil {
		return 0, err
	}
	defer t.close()
	if _, err := t.settled(); err != nil {
		return 0, err
	}
	if err := t.await(t.jumps(a.jump)); err != nil {
		return 0, err
	}
	cost := call()
	if err := t.interrupt(); err != nil {
		return 0, err
	}
	l, err := t.lines("\x00")
	if err != nil {
		return 0, err
	}
	seen, err := p.told(l.rest.String())
	if err == nil && seen.Hits < batches*batch {
		err = fmt.Errorf("saw %d of %d calls: %s", seen.Hits, batches*batch, l.rest.String())
	}
	return cost, err
}

// jumps tells whether the probe at offset, if that is above 0, has become a jump:
// the kernel does that a while after it was armed.
func (t *tool) jumps(offset uint64) func() (bool, error) {
	const trap = 0xcc
	return func() (bool, error) {
		code, err := t.function.live.Code(t.function.Addr+offset, 1)
		return offset == 0 || err == nil && code[0] != trap, err
	}
}

// Calls are made in batches, of which most are not interrupted by the clock.
const (
	batches = 41
	batch   = 500
)

// call returns what a call takes, in nanoseconds of a clock that advances by one
// an instruction.
func call() float64 {
	took := make([]time.Duration, batches)
	for i := range took {
		began := time.Now()
		for range batch {
			_, _, _ = unix.RawSyscall(unix.SYS_UMASK, 0o22, 0, 0)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return float64(took[batches/2]) / batch
}

func itself(v float64) float64 { return v }

func (h *hitCosts) table(w *tabwriter.Writer) {
	fmt.Fprintf(w, "%s: what a hit costs\tby\tktrap\tbpftrace\tratio\n", h.Kernel)
	for _, q := range h.Hits {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", q.What, q.Way, told(q.Ktrap), told(q.Bpftrace), q.ratioText())
	}
	fmt.Fprintf(w, "instructions above a call without a probe, which takes %.0f: median (least–most)\n", h.Bare)
}

func told(f figures[float64]) string {
	if f.Error != "" {
		text, _, _ := strings.Cut(f.Error, " | ")
		return text
	}
	return f.of(itself).String()
}

// ratio is 0 where one of the two has no figure.
func (q hit) ratio() float64 {
	if q.Ktrap.Error != "" || q.Bpftrace.Error != "" {
		return 0
	}
	return q.Ktrap.of(itself).median / q.Bpftrace.of(itself).median
}

func (q hit) ratioText() string {
	if r := q.ratio(); r > 0 {
		return fmt.Sprintf("%.2f", r)
	}
	return ""
}

func (h *hitCosts) check() error {
	if h.Error != "" {
		return errors.New(h.Error)
	}
	var errs []error
	for _, q := range h.Hits {
		switch {
		case q.Ktrap.Error != "":
			errs = append(errs, fmt.Errorf("%s by %s: %s", q.What, q.Way, q.Ktrap.Error))
		case q.What == "count" && q.Way == "fentry" && q.Ktrap.of(itself).median > targetCount:
			errs = append(errs, fmt.Errorf("count by fentry costs %s: the target is %d", told(q.Ktrap), targetCount))
		case q.ratio() > targetRatio:
			errs = append(errs, fmt.Errorf("%s by %s costs %s of bpftrace's: the target is %.1f", q.What, q.Way, q.ratioText(), targetRatio))
		}
	}
	return errors.Join(errs...)
}
