package opt

import "ktrap/internal/compile/ir"

// Rename lets a block go on with the copy: behind v = t, uses of t become uses of v.
// Values had it the other way round, to learn more; but a copy that is needed later
// is better needed alone, so that both can share a machine register.
func Rename(f *ir.Func) {
	copies, source := map[ir.Reg]ir.Reg{}, map[ir.Reg]ir.Reg{}
	for _, b := range f.Blocks {
		clear(copies)
		name := func(o *ir.Operand) {
			if v := copies[o.Reg]; o.Kind == ir.Value && v != 0 {
				o.Reg = v
			}
		}
		for i := range b.Ins {
			in := &b.Ins[i]
			in.Uses(name)
			if in.Dst == 0 {
				continue
			}
			delete(copies, in.Dst)
			if t := source[in.Dst]; copies[t] == in.Dst {
				delete(copies, t)
			}
			if in.Op == ir.Mov && in.Wide && in.A.Kind == ir.Value && in.A.Reg != in.Dst && f.Regs[in.A.Reg].Fixed == 0 {
				copies[in.A.Reg], source[in.Dst] = in.Dst, in.A.Reg
			}
		}
		b.End.Uses(name)
	}
}
