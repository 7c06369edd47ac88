package ktrap

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"ktrap/internal/attach"
	"ktrap/internal/btf"
	"ktrap/internal/capture"
	"ktrap/internal/plan"
	"ktrap/symbols"
)

// Registration is a probe that is live, until it is unregistered or its session
// closes.
type Registration struct {
	Addr uint64 // where the probe is; behind the entry's endbr where there is one

	session *Session
	probe   Probe
	sym     symbols.Symbol
	asked   uint64 // the address that the probe means; Addr is where the kernel puts it
	name    string // the place
	entry   bool
	funcID  btf.ID
	untyped string // why arguments have no types, if so
	typed   *capture.Typed
	shown   []asked // what Show names
	expressions
	step   plan.Step // how it is attached
	batch  *batch
	index  int // in the batch
	gone   bool
	posted *posted         // of a probe with a post-handler
	shows  []*Registration // what their instruction did, a hit shows
	hidden bool            // nobody asked for it, but for what it shows

	delivered atomic.Uint64 // events that the loop over Events yielded
	taken     atomic.Uint64 // records that came out of the ring
	unpaired  atomic.Uint64 // of these, executions whose outcome was not seen
	full      []uint64      // by CPU: losses that records have told of
	final     bool          // what follows changes no more
	last      attach.Tally  // the counts when they were last asked for
	misses    attach.Misses
	shared    int // how many registrations share misses
}

// Probe returns what was registered.
func (r *Registration) Probe() Probe { return r.probe }

// Place returns the probed place as symbol+0xoffset, with %return for a return,
// whether it was given by name or by address.
func (r *Registration) Place() string { return r.name }

func (r *Registration) place() string {
	p := r.probe.place()
	if r.sym.Name == "" {
		return p.String()
	}
	p.Module, p.Symbol, p.Addr, p.Offset = r.sym.Module, r.sym.Name, 0, r.Addr-r.sym.Addr
	if r.entry {
		p.Offset = 0
	}
	return p.String()
}

// Untyped says why the events' arguments are plain registers, or "".
func (r *Registration) Untyped() string { return r.untyped }

// Mechanism says how the kernel calls the probe, as "fentry" or "kprobe".
func (r *Registration) Mechanism() string { return string(r.step.Mechanism) }

// Enable arms a disabled probe again.
func (r *Registration) Enable() error {
	return r.live("enable", func() error {
		if err := r.forget(); err != nil {
			return err
		}
		return errors.Join(r.switchWatchers(false), r.batch.set.Enable(r.index))
	})
}

// forget drops the calls that have begun: while the probe was disabled they may have
// returned unseen, and no other call's return must take what they left.
func (r *Registration) forget() error {
	h := r.handler()
	if h == nil || h.script == nil || h.script.handler.Calls == "" {
		return nil
	}
	calls := h.script.script.maps[h.script.handler.Calls]
	var frame, data []byte
	var frames [][]byte
	entries := calls.Iterate()
	for entries.Next(&frame, &data) {
		frames = append(frames, bytes.Clone(frame))
	}
	if err := entries.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return fmt.Errorf("read the calls that have begun: %w", err)
	}
	for _, frame := range frames {
		if err := calls.Delete(frame); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forget a call that has begun: %w", err)
		}
	}
	return nil
}

// Disable disarms the probe; the kernel runs as if it were not there. The counts
// so far are kept.
func (r *Registration) Disable() error {
	return r.live("disable", r.disable)
}

// Unregister disarms the probe for good. Events that it recorded before are
// still to come.
func (r *Registration) Unregister() error {
	return r.live("unregister", func() error {
		r.gone = true
		return r.disable()
	})
}

func (r *Registration) disable() error {
	return errors.Join(r.batch.set.Disable(r.index), r.switchWatchers(true))
}

func (r *Registration) live(verb string, do func() error) error {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	if !r.isLive() {
		return fmt.Errorf("%s %s: it is no longer registered", verb, r.Place())
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s %s: %w", verb, r.Place(), err)
	}
	return nil
}

// isLive tells whether r can be used. The session's lock is held.
func (r *Registration) isLive() bool {
	return !r.gone && !r.session.closed && !r.session.ended.Load()
}

// Missed is how many hits never reached the probe's program because another
// probe's handler, or another BPF program, was running on that CPU. ok is false
// where this kernel does not count them, or counts them only together with
// those of other probes on the same link.
func (r *Registration) Missed() (n uint64, ok bool) {
	l, err := r.Ledger()
	return l.Missed + l.Recursion, err == nil && l.MissesKnown
}

// settle takes the counts as they stand.
func (r *Registration) settle() error {
	var err error
	if r.last, err = r.batch.set.Tally(r.index); err != nil {
		return err
	}
	var sharing []int
	r.misses, sharing = r.batch.set.Misses(r.index)
	r.shared = len(sharing)
	return nil
}

// Plan is what Register does or would do.
type Plan struct {
	Steps   []Step
	Skipped []Skipped
}

// Step is how some of the probes are attached.
type Step struct {
	Mechanism string
	Reason    string
	Cost      int      // instructions a hit takes, about, besides what the handler does
	Places    []string // symbol+0xoffset
	Addrs     []uint64
	Untyped   []string // beside Places: why arguments have no types, or ""
}

func (p *prepared) plan() *Plan {
	out := &Plan{Skipped: p.skipped}
	for _, step := range p.steps {
		out.Steps = append(out.Steps, p.step(step))
	}
	return out
}

// PlanOf is the plan by which registrations are attached.
func PlanOf(regs []*Registration) *Plan {
	p := prepared{regs: regs}
	at := map[plan.Mechanism]int{}
	for i, r := range regs {
		m := r.step.Mechanism
		if _, ok := at[m]; !ok {
			at[m] = len(p.steps)
			p.steps = append(p.steps, r.step)
			p.steps[at[m]].Points = nil
		}
		p.steps[at[m]].Points = append(p.steps[at[m]].Points, i)
	}
	return p.plan()
}

func (p *prepared) step(s plan.Step) Step {
	step := Step{Mechanism: string(s.Mechanism), Reason: s.Reason, Cost: s.Cost}
	for _, i := range s.Points {
		r := p.regs[i]
		step.Places = append(step.Places, r.Place())
		step.Addrs = append(step.Addrs, r.Addr)
		step.Untyped = append(step.Untyped, r.untyped)
	}
	return step
}
