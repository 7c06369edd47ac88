package ktrap

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"ktrap/internal/capture"
	"ktrap/internal/disasm"
	"ktrap/internal/outcome"
	"ktrap/internal/plan"
)

// posted is what a registration needs to know what its instruction does.
type posted struct {
	inst    disasm.Inst
	outcome outcome.Outcome
	// operand is where the instruction has an operand in memory.
	operand *outcome.Memory
	// seenBy are the registrations whose hits show the outcome, if it is observed.
	seenBy []*Registration
	off    bool
}

// post looks up what r's instruction does, if r is to have a post-handler.
func (s *Session) post(r *Registration) error {
	if r.probe.Post == nil {
		return nil
	}
	w := wanted{unsafe: s.config.Unsafe}
	of := s.on.outcomes(w, r.sym)
	o, err := of.of(r.Addr)
	if err != nil {
		return fmt.Errorf("%s: there is no post-handler here: %w", r.Place(), err)
	}
	r.posted = &posted{inst: of.marks[r.Addr].Inst, outcome: o}
	if r.handler() == r.probe.Post {
		return nil
	}
	if m, ok := o.Memory(); ok && r.probe.Memory && !m.PerCPU {
		if m.Base == outcome.IP { // which a probe does not see as it is
			m.Base, m.Disp = outcome.None, m.Disp+o.Behind
		}
		r.posted.operand = &m
	}
	return nil
}

// operands are the memory that r's record is to have: the operand, and what a
// return goes by.
func (p *posted) operands(numbers []outcome.Reg) (all []capture.Operand) {
	if p == nil {
		return nil
	}
	index := func(r outcome.Reg) int { return slices.Index(numbers, r) }
	if p.outcome.Stack {
		all = append(all, capture.Operand{Base: index(outcome.SP), Index: capture.NoReg, Size: 8})
	}
	if m := p.operand; m != nil {
		o := capture.Operand{Base: index(m.Base), Index: index(m.Index), Scale: m.Scale, Disp: m.Disp, Size: m.Size}
		all = append(all, o)
	}
	return all
}

// changes reports whether the operand is to be read again behind the instruction:
// if that may write it, and leaves alone what its address is made of.
func (p *posted) changes() bool {
	m := p.operand
	return m != nil && m.Written && !p.outcome.Writes().Has(m.Base) && !p.outcome.Writes().Has(m.Index)
}

// regNamed is how an expression names a register.
var regNamed = regexp.MustCompile(`\b(?:r|regs)\.(\w+)`)

// again is the part that evaluates r's Show behind the instruction as well; nil if
// that can't be had there: if it is made of what the instruction may have changed.
func (r *Registration) again() *capture.Part {
	writes := r.posted.outcome.Writes()
	for _, needs := range r.needs {
		if needs.Args {
			return nil
		}
	}
	for _, found := range regNamed.FindAllStringSubmatch(r.probe.Show, -1) {
		if reg := outcome.RegNamed(found[1]); reg == outcome.IP || writes.Has(reg) {
			return nil
		}
	}
	return r.expressions.show
}

// watch adds the registrations that show the outcomes of others. They come first,
// so that they are armed first. One that is asked for anyway serves as well.
func (p *prepared) watch(s *Session) error {
	asked := p.regs
	p.watching = nil
	for _, r := range asked {
		if r.posted == nil {
			continue
		}
		for _, addr := range r.posted.outcome.At {
			by, err := p.watcher(s, asked, r, addr)
			if err != nil {
				return err
			}
			by.shows = append(by.shows, r)
			r.posted.seenBy = append(r.posted.seenBy, by)
		}
	}
	points := make([]plan.Point, len(p.watching), len(p.watching)+len(p.points))
	for i := range points {
		points[i] = plan.Point{Regs: true, Alone: p.watching[i].typed == nil}
	}
	p.regs, p.points = append(p.watching, asked...), append(points, p.points...)
	return nil
}

// watcher is a registration whose hits at addr show what r's instruction left.
func (p *prepared) watcher(s *Session, asked []*Registration, r *Registration, addr uint64) (*Registration, error) {
	if r.typed == nil {
		by := r.follower(addr)
		p.watching = append(p.watching, by)
		return by, nil
	}
	var operands []capture.Operand
	if r.posted.changes() {
		operands = r.posted.operands(s.numbers)
	}
	again := r.again()
	serves := func(by *Registration) bool {
		return by.Addr == addr && by.typed != nil && by.typed.Losses && by.typed.If == nil && by.typed.Filter == r.typed.Filter
	}
	if operands == nil && again == nil {
		if i := slices.IndexFunc(asked, serves); i >= 0 {
			return asked[i], nil
		}
	}
	for _, by := range p.watching {
		if serves(by) && slices.Equal(by.typed.Operands, operands) && by.typed.Unit.Show == again {
			return by, nil
		}
	}
	by := &Registration{
		session: s, sym: r.sym, asked: addr, Addr: addr, hidden: true,
		probe: Probe{Addr: addr, Optional: true}, full: make([]uint64, s.kernel.CPUs.Possible),
	}
	by.name = by.place()
	var err error
	by.typed, err = capture.Check(nil, 0, s.arch, capture.Want{
		Inside: true, Regs: true, Losses: true, Operands: operands, Part: again, Filter: r.typed.Filter,
	})
	p.watching = append(p.watching, by)
	return by, err
}

// leaveOut takes a registration out, and with it those whose outcome it shows and
// those that show only its own.
func (p *prepared) leaveOut(r *Registration, err error) {
	gone := map[*Registration]error{}
	p.condemn(r, err, gone)
	var regs []*Registration
	var points []plan.Point
	for i, r := range p.regs {
		why, out := gone[r]
		r.shows = slices.DeleteFunc(r.shows, func(of *Registration) bool { _, out := gone[of]; return out })
		switch {
		case out && !r.hidden:
			p.skipped = append(p.skipped, Skipped{&r.probe, why})
		case !out && (!r.hidden || len(r.shows) > 0):
			regs, points = append(regs, r), append(points, p.points[i])
		}
	}
	p.regs, p.points = regs, points
}

func (p *prepared) condemn(r *Registration, err error, gone map[*Registration]error) {
	if _, known := gone[r]; known {
		return
	}
	gone[r] = err
	for _, of := range r.shows {
		p.condemn(of, fmt.Errorf("what it does can't be seen: %w", err), gone)
	}
}

// needed reports whether a registration may not be left out.
func (r *Registration) needed() bool {
	if !r.hidden && !r.probe.Optional {
		return true
	}
	return slices.ContainsFunc(r.shows, (*Registration).needed)
}

// visible are those that were asked for.
func visible(regs []*Registration) []*Registration {
	return slices.DeleteFunc(slices.Clone(regs), func(r *Registration) bool { return r.hidden })
}

// switchWatchers arms or disarms what shows r's outcome and no other's.
func (r *Registration) switchWatchers(off bool) (err error) {
	if r.posted == nil {
		return nil
	}
	r.posted.off = off
	for _, by := range r.posted.seenBy {
		if !by.hidden || slices.ContainsFunc(by.shows, func(of *Registration) bool { return of != r && !of.posted.off }) {
			continue
		}
		do := r.batch.set.Enable
		if off {
			do = r.batch.set.Disable
		}
		err = errors.Join(err, do(by.index))
	}
	return err
}

// Instruction is the one at the probe; "" unless the probe has a post-handler.
func (r *Registration) Instruction() string {
	if r.posted == nil {
		return ""
	}
	context := disasm.Context{Name: r.session.on.name}
	if r.session.config.Intel {
		context.Syntax = disasm.Intel
	}
	return r.posted.inst.Text(context).String()
}
