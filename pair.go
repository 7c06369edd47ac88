package ktrap

import (
	"ktrap/internal/outcome"
)

// An execution of an instruction is known by the thread and by where it leaves the
// stack pointer: a call within it, an interrupt or another thread is elsewhere.
// Idle threads share a number, and not a stack.
type execution struct {
	of  *Registration
	tid int
	sp  uint64
}

// mostOpen bounds the executions whose outcome is awaited.
const mostOpen = 1 << 16

// transition is what an instruction did.
type transition struct {
	was, now outcome.Registers
	memory   []Memory
	shown    []Value // what Show named, behind the instruction
}

// Memory is the operand that an instruction has in memory.
type Memory struct {
	Name     string // as the instruction has it, in AT&T syntax
	Addr     uint64
	Was, Now []byte // nil if it could not be read; Now also if nothing wrote it
	Written  bool   // the instruction may have written it
}

// follow returns the events that a hit makes: of the executions that it ends, and
// its own.
func (s *Session) follow(ev *Event) (events []*Event) {
	r := ev.Registration
	if r.typed == nil || r.posted == nil && !r.hidden {
		return append(events, ev)
	}
	s.pairing.Lock()
	defer s.pairing.Unlock()
	if len(r.shows) > 0 {
		events = s.end(events, ev)
	}
	switch {
	case r.hidden:
		return events
	case r.probe.Pre != nil:
		events = append(events, ev)
	}
	return s.begin(events, ev)
}

// begin computes what the instruction does that a hit is about to run, or waits for
// it to be seen.
func (s *Session) begin(events []*Event, ev *Event) []*Event {
	r, o := ev.Registration, &ev.Registration.posted.outcome
	was := s.registers(ev)
	was[outcome.IP] = r.Addr
	if o.Kind == outcome.Observed {
		s.wait(execution{r, ev.TID, o.SP(was)}, ev)
		return events
	}
	word := uint64(0)
	if o.Stack {
		b := r.typed.OperandOf(ev.record, 0)
		if b == nil {
			r.unpaired.Add(1)
			return events
		}
		word = le.Uint64(b)
	}
	t := &transition{was: was, now: o.After(was, word), shown: ev.Show()}
	return append(events, ev.post(t))
}

// wait keeps a hit until its outcome is seen. One that is waiting in its place never
// got there: the instruction faulted, or what saw it found no room.
func (s *Session) wait(e execution, ev *Event) {
	if _, open := s.awaited[e]; open {
		e.of.unpaired.Add(1)
	} else if len(s.awaited) >= mostOpen {
		for other := range s.awaited {
			s.giveUp(other)
			break
		}
	}
	s.awaited[e] = ev
}

func (s *Session) giveUp(e execution) {
	delete(s.awaited, e)
	e.of.unpaired.Add(1)
}

// giveUpAll is for the end: what has not been seen by then never will be.
func (s *Session) giveUpAll() {
	s.pairing.Lock()
	defer s.pairing.Unlock()
	for e := range s.awaited {
		s.giveUp(e)
	}
}

// end pairs a hit with those whose outcome it shows. If any record was lost in
// between, it may be another execution's; and what the instruction leaves alone
// must be as it was.
func (s *Session) end(events []*Event, ev *Event) []*Event {
	now := s.registers(ev)
	for _, r := range ev.Registration.shows {
		e := execution{r, ev.TID, now[outcome.SP]}
		began, ok := s.awaited[e]
		if !ok {
			continue
		}
		was := s.registers(began)
		was[outcome.IP] = r.Addr
		o := &r.posted.outcome
		if r.typed.LossesOf(began.record) != ev.Registration.typed.LossesOf(ev.record) || !o.Agrees(was, now) {
			s.giveUp(e)
			continue
		}
		delete(s.awaited, e)
		t := &transition{was: was, now: now}
		t.now[outcome.IP] = o.Behind
		t.memory = r.memory(began, ev, was)
		if by := ev.Registration.typed; by.Unit.Show != nil {
			t.shown = r.evaluated(by.ShowOf(ev.record))
		}
		events = append(events, began.post(t))
	}
	return events
}

// memory is the operand in memory, before and after.
func (r *Registration) memory(began, ended *Event, was outcome.Registers) []Memory {
	m := r.posted.operand
	if m == nil {
		return nil
	}
	one := Memory{Addr: m.At(was), Was: r.typed.OperandOf(began.record, 0), Written: m.Written, Name: r.posted.inst.MemoryText()}
	if by := ended.Registration; r.posted.changes() {
		one.Now = by.typed.OperandOf(ended.record, 0)
	}
	return []Memory{one}
}

// post is the event of an execution that has ended.
func (e *Event) post(t *transition) *Event {
	after := *e
	after.Kind, after.transition = Post, t
	if e.Registration.probe.Pre != nil {
		after.Lost = 0
	}
	return &after
}

// registers are those of a hit's record.
func (s *Session) registers(ev *Event) (regs outcome.Registers) {
	saved := ev.Registration.typed.RegsOf(ev.record)
	for i, r := range s.arch.Regs {
		if n := s.numbers[i]; n != outcome.None {
			regs[n] = le.Uint64(saved[r.Offset:])
		}
	}
	return regs
}

// number finds the registers by the numbers that instructions have for them.
func (s *Session) number() {
	for _, r := range s.arch.Regs {
		s.numbers = append(s.numbers, outcome.RegNamed(r.Name))
	}
}

// Was returns the registers before the instruction, of a post event; ip is the
// instruction's address.
func (e *Event) Was() []Register {
	if e.transition == nil {
		return nil
	}
	return e.transitionRegs(&e.transition.was)
}

// Memory returns the operand that the instruction of a post event has in memory, if
// the probe's Memory is set and it has one.
func (e *Event) Memory() []Memory {
	if e.transition == nil {
		return nil
	}
	return e.transition.memory
}

// ShowAfter returns what the probe's Show named as it is behind the instruction, of
// a post event; nil if that is not known, as it is made of what the instruction may
// have changed. An instruction that leads elsewhere changes no memory but the stack.
func (e *Event) ShowAfter() []Value {
	if e.transition == nil {
		return nil
	}
	return e.transition.shown
}

// transitionRegs are the registers that instructions know, in the order of dumps.
func (e *Event) transitionRegs(of *outcome.Registers) (regs []Register) {
	s := e.Registration.session
	for i, r := range s.arch.Regs {
		if n := s.numbers[i]; n != outcome.None {
			regs = append(regs, Register{r.Name, of[n]})
		}
	}
	return regs
}
