package emit

import "ktrap/internal/compile/ir"

// A spiller keeps registers on the stack: each use loads one, each write stores
// it. What can be made again without memory is.
type spiller struct {
	f     *ir.Func
	tiny  map[ir.Reg]bool // those of one use or write
	count int
}

func (s *spiller) spill(r ir.Reg) {
	if s.f.Regs[r].Fixed != 0 {
		s.unfix(r)
		return
	}
	again, ok := s.remade(r)
	var slot ir.Operand
	if !ok {
		slot = s.f.NewSlot(8)
		s.count++
	}
	for _, b := range s.f.Blocks {
		out := make([]ir.Ins, 0, len(b.Ins)+8)
		fetch := func(o *ir.Operand, pos ir.Ins) {
			load := ir.Ins{Op: ir.Load, A: slot, Size: 8}
			if ok {
				load = again
			}
			load.Dst, load.Pos = s.temp(r), pos.Pos
			out = append(out, load)
			o.Reg = load.Dst
		}
		for i := range b.Ins {
			in := b.Ins[i]
			if ok && in.Dst == r {
				continue
			}
			s.uses(r, in.Uses, func(o *ir.Operand) { fetch(o, in) })
			if in.Dst != r {
				out = append(out, in)
				continue
			}
			in.Dst = s.temp(r)
			out = append(out, in, ir.Ins{Op: ir.Store, A: slot, B: ir.R(in.Dst), Size: 8, Pos: in.Pos})
		}
		s.uses(r, b.End.Uses, func(o *ir.Operand) { fetch(o, ir.Ins{Pos: b.End.Pos}) })
		b.Ins = out
	}
}

// uses calls f for each operand that is r; a second one gets what the first got.
func (s *spiller) uses(r ir.Reg, each func(func(*ir.Operand)), f func(*ir.Operand)) {
	var got ir.Reg
	each(func(o *ir.Operand) {
		if o.Kind != ir.Value || o.Reg != r {
			return
		}
		if got == 0 {
			f(o)
			got = o.Reg
		}
		o.Reg = got
	})
}

func (s *spiller) temp(r ir.Reg) ir.Reg {
	t := s.f.NewReg(ir.Info{Struct: s.f.Regs[r].Struct})
	s.tiny[t] = true
	return t
}

// remade is the instruction that makes r again, if one without operands does.
func (s *spiller) remade(r ir.Reg) (again ir.Ins, ok bool) {
	n := 0
	for _, b := range s.f.Blocks {
		for i := range b.Ins {
			if b.Ins[i].Dst == r {
				again = b.Ins[i]
				n++
			}
		}
	}
	return again, n == 1 && (again.Op == ir.Vars || again.Op == ir.Mov && again.A.Kind != ir.Value)
}

// unfix moves what comes in a machine register to one that can be spilled.
func (s *spiller) unfix(r ir.Reg) {
	free := s.f.NewReg(s.f.Regs[r])
	s.f.Regs[free].Fixed = 0
	for _, b := range s.f.Blocks {
		for i := range b.Ins {
			b.Ins[i].Uses(func(o *ir.Operand) { rename(o, r, free) })
		}
		b.End.Uses(func(o *ir.Operand) { rename(o, r, free) })
	}
	entry := s.f.Blocks[0]
	entry.Ins = append([]ir.Ins{{Op: ir.Mov, Wide: true, Dst: free, A: ir.R(r)}}, entry.Ins...)
}

func rename(o *ir.Operand, from, to ir.Reg) {
	if o.Kind == ir.Value && o.Reg == from {
		o.Reg = to
	}
}
