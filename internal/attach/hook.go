package attach

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ktrap/internal/capture"
	"ktrap/internal/facts"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
	"ktrap/internal/plan"
)

// hook is one program and what connects it to the points that it serves. While
// detached it holds nothing but counts: up to 5.11 a trampoline's program can be
// attached only once.
type hook struct {
	mechanism plan.Mechanism
	points    []int  // indexes into the job's points
	links     []fd   // what to close to detach, in order of making: the program first
	linked    bool   // the last of links counts misses
	earlier   Misses // counted before links were closed
	counted   *counted
	past      map[int]Misses // by point: what counted has counted earlier
}

// attach loads h's program and connects it, unless that is done, or ctx is.
func (h *hook) attach(ctx context.Context, s *Set) error {
	if len(h.links) > 0 {
		return nil
	}
	if err := h.connect(ctx, s); err != nil {
		if ctx.Err() == nil {
			err = s.refused(h, err)
		}
		return errors.Join(err, h.close())
	}
	return nil
}

func (h *hook) connect(ctx context.Context, s *Set) error {
	if err := h.define(ctx, s); err != nil {
		return err
	}
	prog, err := s.load(h)
	if err := h.keep(prog, err); err != nil {
		return err
	}
	ret := h.returns()
	switch h.mechanism {
	case plan.Fentry, plan.Fexit:
		return h.keep(linkTracing(prog))
	case plan.Multi, plan.ReturnMulti:
		addrs, cookies := make([]uint64, len(h.points)), make([]uint64, len(h.points))
		for n, i := range h.points {
			// The cookie is found by the function's start, not by its ftrace site.
			addrs[n], cookies[n] = s.job.Points[i].Func, uint64(i)+1
		}
		h.linked = true
		return h.keep(linkMulti(prog, addrs, cookies, ret))
	}
	if placed(h.mechanism) {
		if err := ctx.Err(); err != nil { // arming many can't be ended
			return err
		}
		return h.connectEvent(prog)
	}
	event, err := openKprobe(s.job.Kernel.PMU, s.job.Points[h.points[0]].Addr, ret)
	if err := h.keep(event, err); err != nil {
		return err
	}
	link, err := linkPerf(prog, event, 0)
	if h.linked = link >= 0; !h.linked {
		return err
	}
	return h.keep(link, err)
}

func (h *hook) returns() bool { return h.mechanism.Context() == object.Kretprobe }

func (h *hook) keep(link fd, err error) error {
	if err == nil {
		h.links = append(h.links, link)
	}
	return err
}

// load emits and loads the program of h. Where the verifier does not like how a
// trampoline's arguments are read, they are copied.
func (s *Set) load(h *hook) (fd, error) {
	t := capture.Target{
		Arch:    s.job.Arch,
		Context: h.mechanism.Context(),
		Base:    s.job.Base,
		Point:   ledger.Point{Points: len(s.job.Points), Cookie: multi(h.mechanism), Index: uint32(h.points[0])},
	}
	switch {
	case h.counted != nil: // against which all hits are held, also those before Arm
		t.Point.Sites = h.counted.sites
	case s.slots != nil:
		t.CPUs = s.cpus()
	}
	prog, err := s.loadFor(h, t)
	var verifier *VerifierError
	if errors.As(err, &verifier) && trampoline(h.mechanism) {
		t.Copy = true
		prog, err = s.loadFor(h, t)
	}
	return prog, err
}

func (s *Set) loadFor(h *hook, t capture.Target) (fd, error) {
	p := s.job.Points[h.points[0]]
	program, err := p.emit(t)
	if err != nil {
		return -1, err
	}
	if err := s.associate(program, h, p.Script); err != nil {
		return -1, err
	}
	return load(program, p.FuncID, multi(h.mechanism))
}

func (p *Point) emit(t capture.Target) (object.Program, error) {
	if p.Script != nil {
		return p.Script.Emit(t)
	}
	return p.Unit.Emit(t)
}

func multi(m plan.Mechanism) bool      { return m == plan.Multi || m == plan.ReturnMulti }
func placed(m plan.Mechanism) bool     { return m == plan.Event || m == plan.ReturnEvent }
func trampoline(m plan.Mechanism) bool { return m == plan.Fentry || m == plan.Fexit }

func (s *Set) associate(p object.Program, h *hook, script *Script) error {
	maps := map[string]interface{ FD() int }{object.Ring: s.job.Ring, object.Counts: s.counts, object.State: s.state, object.Losses: s.losses}
	if s.slots != nil {
		maps[object.Slots] = s.slots
	}
	if h.counted != nil && h.counted.table != nil {
		maps[object.Sites] = h.counted.table
	}
	if s.once != nil {
		maps[object.Once] = s.once
	}
	if script != nil {
		for name, m := range script.Maps {
			maps[name] = m
		}
	}
	for _, in := range p.Insns {
		if m, ok := maps[in.Reference()]; ok && in.IsLoadFromMap() {
			if err := p.Insns.AssociateMap(in.Reference(), m); err != nil {
				return fmt.Errorf("ktrap bug: name a program's maps: %w", err)
			}
		}
	}
	return nil
}

// refused says which point the kernel refused; a program that its verifier
// refused is our fault, unless it is a trampoline's: that is bound to a function.
func (s *Set) refused(h *hook, err error) error {
	var ours *VerifierError
	if errors.As(err, &ours) && !trampoline(h.mechanism) {
		return err
	}
	var refused *Refused
	if errors.As(err, &refused) {
		return err
	}
	which := -1
	if len(h.points) == 1 {
		which = h.points[0]
	}
	return &Refused{Point: which, Mechanism: h.mechanism, Err: err}
}

// detach disconnects and unloads h's program; the misses so far are kept.
func (h *hook) detach() error {
	h.account()
	return h.close()
}

// account keeps the misses so far.
func (h *hook) account() {
	if len(h.links) == 0 { // then nothing has been counted since
		return
	}
	if h.counted == nil {
		h.earlier = h.missed()
		return
	}
	if h.past == nil {
		h.past = map[int]Misses{}
	}
	h.counted.missed(h.points, h.past, h.keptNone())
}

func (h *hook) close() error {
	var errs []error
	for _, link := range slices.Backward(h.links) {
		errs = append(errs, link.Close())
	}
	h.links = nil
	if h.counted != nil {
		errs = append(errs, h.counted.close())
		h.counted = nil
	}
	return errors.Join(errs...)
}

// keptNone tells that the kernel counts what it keeps from an event's program, and
// has counted none (6.7: dd8657894c11).
func (h *hook) keptNone() bool {
	if len(h.links) == 0 || h.counted.set.job.Kernel.Can(facts.LinkMissed) != nil {
		return false
	}
	kept, err := recursionMisses(h.links[0])
	return err == nil && kept == 0
}

// missedAt is what the kernel kept from h's program at point i, now and earlier, and
// which points share that count.
func (h *hook) missedAt(i int) (Misses, []int) {
	if !placed(h.mechanism) {
		return h.missed(), h.points
	}
	at := map[int]Misses{i: h.past[i]}
	if h.counted != nil {
		h.counted.missed([]int{i}, at, h.keptNone())
	}
	return at[i], []int{i}
}

// missed is what the kernel kept from h's program, now and earlier.
func (h *hook) missed() Misses {
	m := h.earlier
	if len(h.links) == 0 {
		return m
	}
	recursion, err := recursionMisses(h.links[0])
	m.Recursion += recursion
	if err == nil && h.linked {
		var missed uint64
		missed, err = linkMissed(h.links[len(h.links)-1], multi(h.mechanism))
		m.Missed += missed
	}
	m.unknown = m.unknown || err != nil
	return m
}

// known tells whether the kernel counts what it keeps from h's program. A
// trampoline is never kept out by a kprobe's handler, and up to 5.11 not even by
// itself.
func (h *hook) known(j Job, i int, missed uint64) bool {
	switch h.mechanism {
	case plan.Fentry, plan.Fexit:
		return true
	case plan.Event, plan.ReturnEvent:
		return j.tells(i, missed)
	}
	return j.Kernel.Can(facts.LinkMissed) == nil
}
