package attach

import (
	"errors"
	"fmt"

	"ktrap/internal/capture"
	"ktrap/internal/facts"
	"ktrap/internal/object"
	"ktrap/internal/plan"
)

// hook is one program and what connects it to the points that it serves.
type hook struct {
	mechanism plan.Mechanism
	points    []int // indexes into the job's points
	prog      fd
	links     []fd   // what to close to detach, in order of making; empty while detached
	earlier   uint64 // misses counted on links that are closed by now
}

// hook loads the program for points and attaches it.
func (s *Set) hook(m plan.Mechanism, points []int) (*hook, error) {
	target := capture.Target{
		Arch:    s.job.Arch,
		Context: m.Context(),
		Base:    s.job.Base,
		Points:  len(s.job.Points),
		Cookie:  multi(m),
		Index:   uint32(points[0]),
	}
	prog, err := s.load(target)
	var verifier *VerifierError
	if errors.As(err, &verifier) && (m == plan.Fentry || m == plan.Fexit) {
		target.Copy = true
		prog, err = s.load(target)
	}
	if err != nil {
		return nil, s.refused(m, points, err)
	}
	h := &hook{mechanism: m, points: points, prog: prog}
	if err := h.attach(s); err != nil {
		return nil, errors.Join(err, prog.Close())
	}
	return h, nil
}

// load emits and loads the program of the point at t.Index for t.
func (s *Set) load(t capture.Target) (fd, error) {
	p := s.job.Points[t.Index]
	program := p.Unit.Emit(t)
	if err := s.associate(program); err != nil {
		return -1, err
	}
	return load(program, p.FuncID, t.Cookie)
}

func multi(m plan.Mechanism) bool { return m == plan.Multi || m == plan.ReturnMulti }

func (s *Set) associate(p object.Program) error {
	maps := map[string]interface{ FD() int }{object.Ring: s.job.Ring, object.Counts: s.counts, object.State: s.state}
	for _, in := range p.Insns {
		if m, ok := maps[in.Reference()]; ok && in.IsLoadFromMap() {
			if err := p.Insns.AssociateMap(in.Reference(), m); err != nil {
				return fmt.Errorf("ktrap bug: name a program's maps: %w", err)
			}
		}
	}
	return nil
}

func (s *Set) refused(m plan.Mechanism, points []int, err error) error {
	var ours *VerifierError
	if errors.As(err, &ours) && m != plan.Fentry && m != plan.Fexit {
		return err
	}
	which := -1
	if len(points) == 1 {
		which = points[0]
	}
	return &Refused{Point: which, Mechanism: m, Err: err}
}

// attach connects h's program, unless it is connected.
func (h *hook) attach(s *Set) error {
	if len(h.links) > 0 {
		return nil
	}
	if err := h.connect(s); err != nil {
		return s.refused(h.mechanism, h.points, err)
	}
	return nil
}

func (h *hook) connect(s *Set) error {
	ret := h.mechanism.Context() == object.Kretprobe
	switch h.mechanism {
	case plan.Fentry, plan.Fexit:
		return h.keep(linkTracing(h.prog))
	case plan.Multi, plan.ReturnMulti:
		addrs, cookies := make([]uint64, len(h.points)), make([]uint64, len(h.points))
		for n, i := range h.points {
			// The cookie is found by the function's start, not by its ftrace site.
			addrs[n], cookies[n] = s.job.Points[i].Func, uint64(i)+1
		}
		return h.keep(linkMulti(h.prog, addrs, cookies, ret))
	}
	event, err := openKprobe(s.job.Kernel.PMU, s.job.Points[h.points[0]].Addr, ret)
	if err := h.keep(event, err); err != nil {
		return err
	}
	link, err := linkPerf(h.prog, event, 0)
	if err != nil {
		return errors.Join(err, h.close())
	}
	if link >= 0 {
		h.links = append(h.links, link)
	}
	return nil
}

func (h *hook) keep(link fd, err error) error {
	if err != nil {
		return err
	}
	h.links = append(h.links, link)
	return nil
}

// detach disconnects h's program; the misses so far are kept.
func (h *hook) detach() error {
	if len(h.links) == 0 {
		return nil
	}
	h.earlier = h.missed()
	return h.close()
}

func (h *hook) close() error {
	var errs []error
	for i := len(h.links) - 1; i >= 0; i-- {
		errs = append(errs, h.links[i].Close())
	}
	h.links = nil
	return errors.Join(errs...)
}

// missed is the misses that the links of h have counted, now and earlier.
func (h *hook) missed() uint64 {
	n := h.earlier
	multi := multi(h.mechanism)
	kprobe := h.mechanism == plan.Kprobe || h.mechanism == plan.Kretprobe
	if !multi && !(kprobe && len(h.links) == 2) {
		return n
	}
	if len(h.links) > 0 {
		now, err := linkMissed(h.links[len(h.links)-1], multi)
		if err == nil {
			n += now
		}
	}
	return n
}

// readMisses asks the kernel what it kept from h's program. A trampoline is
// never kept out by a kprobe's handler, and up to 5.11 not even by itself.
func (h *hook) readMisses(k *facts.Kernel) Misses {
	recursion, err := recursionMisses(h.prog)
	m := Misses{Missed: h.missed(), Recursion: recursion, Known: err == nil}
	if h.mechanism != plan.Fentry && h.mechanism != plan.Fexit {
		m.Known = m.Known && k.Can(facts.LinkMissed) == nil
	}
	return m
}
