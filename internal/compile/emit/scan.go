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
	active []*interval
	taken  [11]bool
	wanted []asm.Register // by register: where a call wants it, or none
	spill  []ir.Reg
	tiny   map[ir.Reg]bool // those that are not to be spilled again
}

// scan walks through the intervals by their start.
func scan(f *ir.Func, tiny map[ir.Reg]bool) *scanner {
	s := &scanner{f: f, list: intervals(f), regs: make([]asm.Register, len(f.Regs)), tiny: tiny}
	s.want()
	var order []*interval
	for i := range s.list {
		s.regs[i] = none
		if s.list[i].start >= 0 {
			order = append(order, &s.list[i])
		}
	}
	slices.SortFunc(order, func(a, b *interval) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return int(s.f.Regs[b.reg].Fixed) - int(s.f.Regs[a.reg].Fixed)
	})
	for _, v := range order {
		s.expire(v.start)
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
			if in.Op != ir.Call && in.Op != ir.Kfunc {
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

// expire frees what ends before pos; a value that is read where another is
// written may give it its register.
func (s *scanner) expire(pos int) {
	s.active = slices.DeleteFunc(s.active, func(v *interval) bool {
		if v.end >= pos {
			return false
		}
		s.taken[s.regs[v.reg]] = false
		return true
	})
}

func (s *scanner) place(v *interval) {
	if fixed := s.f.Regs[v.reg].Fixed; fixed != 0 {
		s.give(v, asm.Register(fixed-1))
		return
	}
	if r := s.choose(v); r != none {
		s.give(v, r)
		return
	}
	s.evict(v)
}

func (s *scanner) give(v *interval, r asm.Register) {
	s.regs[v.reg], s.taken[r] = r, true
	s.active = append(s.active, v)
}

// choose finds a free register, first of all one that saves a move.
func (s *scanner) choose(v *interval) asm.Register {
	if r := s.wanted[v.reg]; r != none && !v.call && !s.taken[r] {
		return r
	}
	for _, h := range v.hints {
		for _, r := range []asm.Register{s.regs[h], s.wanted[h]} {
			if r != none && !s.taken[r] && (!v.call || slices.Contains(saved, r)) {
				return r
			}
		}
	}
	if !v.call {
		for _, r := range lost {
			if !s.taken[r] {
				return r
			}
		}
	}
	for _, r := range saved {
		if !s.taken[r] {
			return r
		}
	}
	return none
}

// evict spills what costs least: v, or an active value whose register v can take.
func (s *scanner) evict(v *interval) {
	worst := v
	for _, a := range s.active {
		if s.tiny[a.reg] || v.call && !slices.Contains(saved, s.regs[a.reg]) {
			continue
		}
		if s.tiny[worst.reg] || price(a) < price(worst) {
			worst = a
		}
	}
	s.spill = append(s.spill, worst.reg)
	if worst == v {
		return
	}
	r := s.regs[worst.reg]
	s.active = slices.DeleteFunc(s.active, func(a *interval) bool { return a == worst })
	s.give(v, r)
}

// price is what spilling costs for each position that it frees.
func price(v *interval) float64 { return v.weight / float64(v.end-v.start+1) }
