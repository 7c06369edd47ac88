package emit

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/ir"
)

// none is the register of what has none.
const none asm.Register = 255

// saved survive calls, lost don't; in the order in which they are given out.
var (
	saved = []asm.Register{asm.R6, asm.R7, asm.R8, asm.R9}
	lost  = []asm.Register{asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5}
)

type allocation struct {
	regs   []asm.Register
	spills int
}

// maxRounds bounds how often spilling may start the scan again.
const maxRounds = 200

// allocate gives each register of f one of the machine's, or spills it and tries
// again; nil if that comes to no end.
func allocate(f *ir.Func) *allocation {
	coalesce(f)
	s := &spiller{f: f, tiny: map[ir.Reg]bool{}}
	for range maxRounds {
		a := scan(f, s.tiny)
		if len(a.spill) == 0 {
			return &allocation{a.regs, s.count}
		}
		for _, r := range a.spill {
			s.spill(r)
		}
	}
	return nil
}

type scanner struct {
	f      *ir.Func
	list   []interval
	regs   []asm.Register
	held   [11][]*interval // what each register of the machine still has to hold
	wanted []asm.Register  // by register: where a call wants it, or none
	spill  []ir.Reg
	tiny   map[ir.Reg]bool // those that are not to be spilled again
}

// scan walks through the intervals by their start.
func scan(f *ir.Func, tiny map[ir.Reg]bool) *scanner {
	s := &scanner{f: f, list: intervals(f).list, regs: make([]asm.Register, len(f.Regs)), tiny: tiny}
	s.want()
	var order []*interval
	for i := range s.list {
		s.regs[i] = none
		if len(s.list[i].spans) > 0 {
			order = append(order, &s.list[i])
		}
	}
	slices.SortFunc(order, func(a, b *interval) int {
		if a.start() != b.start() {
			return a.start() - b.start()
		}
		return int(s.f.Regs[b.reg].Fixed) - int(s.f.Regs[a.reg].Fixed)
	})
	for _, v := range order {
		s.place(v)
	}
	return s
}

// want notes in which register a call takes or leaves a value.
func (s *scanner) want() {
	s.wanted = make([]asm.Register, len(s.f.Regs))
	for i := range s.wanted {
		s.wanted[i] = none
	}
	for _, b := range s.f.Blocks {
		for i := range b.Ins {
			in := &b.Ins[i]
			if !in.Calls() {
				continue
			}
			s.wanted[in.Dst] = asm.R0
			for n, o := range in.Args {
				if o.Kind == ir.Value {
					s.wanted[o.Reg] = asm.R1 + asm.Register(n)
				}
			}
		}
	}
}

func (s *scanner) place(v *interval) {
	if fixed := s.f.Regs[v.reg].Fixed; fixed != 0 {
		if r := asm.Register(fixed - 1); s.free(r, v) {
			s.give(v, r)
		} else {
			s.spill = append(s.spill, v.reg)
		}
		return
	}
	if r := s.choose(v); r != none {
		s.give(v, r)
		return
	}
	s.evict(v)
}

func (s *scanner) give(v *interval, r asm.Register) {
	s.regs[v.reg] = r
	s.held[r] = append(s.held[r], v)
}

// free reports whether r can hold v. A value that is read where another is written
// may give it its register.
func (s *scanner) free(r asm.Register, v *interval) bool {
	if v.call && r < asm.R6 {
		return false
	}
	s.expire(r, v.start())
	for _, h := range s.held[r] {
		if h.meets(v) {
			return false
		}
	}
	return true
}

// expire forgets what r need not hold from pos on.
func (s *scanner) expire(r asm.Register, pos int) {
	s.held[r] = slices.DeleteFunc(s.held[r], func(h *interval) bool { return h.end() < pos })
}

// choose finds a free register, first of all one that saves a move.
func (s *scanner) choose(v *interval) asm.Register {
	if r := s.wanted[v.reg]; r != none && s.free(r, v) {
		return r
	}
	for _, h := range v.hints {
		for _, r := range []asm.Register{s.regs[h], s.wanted[h]} {
			if r != none && s.free(r, v) {
				return r
			}
		}
	}
	for _, of := range [][]asm.Register{lost, saved} {
		for _, r := range of {
			if s.free(r, v) {
				return r
			}
		}
	}
	return none
}

// evict spills what costs least: v, or all that keeps v out of a register.
func (s *scanner) evict(v *interval) {
	best, least := none, price(v)
	if s.tiny[v.reg] {
		least = 1e300
	}
	for _, r := range append(saved, lost...) {
		if v.call && r < asm.R6 {
			continue
		}
		if p := s.toll(r, v); p < least {
			best, least = r, p
		}
	}
	if best == none {
		s.spill = append(s.spill, v.reg)
		return
	}
	s.held[best] = slices.DeleteFunc(s.held[best], func(h *interval) bool {
		if !h.meets(v) {
			return false
		}
		s.spill = append(s.spill, h.reg)
		return true
	})
	s.give(v, best)
}

// toll is what it costs to free r for v.
func (s *scanner) toll(r asm.Register, v *interval) (sum float64) {
	for _, h := range s.held[r] {
		if !h.meets(v) {
			continue
		}
		if s.tiny[h.reg] {
			return 1e300
		}
		sum += price(h)
	}
	return sum
}

// price is what spilling costs for each position that it frees.
func price(v *interval) float64 { return v.weight / float64(v.length()) }
