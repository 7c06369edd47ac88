package opt

import "ktrap/internal/compile/ir"

// Sink makes a value where it is moved to, if that is its only use: t = a + 1, then
// behind a branch v = t, becomes v = a + 1 there. What it is made of must be the same
// everywhere.
func Sink(f *ir.Func) {
	defs, uses := counts(f)
	from := make([]*ir.Ins, len(f.Regs))
	for _, b := range f.Blocks {
		for i := range b.Ins {
			in := &b.Ins[i]
			if in.Dst != 0 && defs[in.Dst] == 1 && uses[in.Dst] == 1 && in.Op <= ir.Neg && settled(f, in, defs) {
				from[in.Dst] = in
			}
			if in.Op != ir.Mov || !in.Wide || in.A.Kind != ir.Value || from[in.A.Reg] == nil {
				continue
			}
			made := *from[in.A.Reg]
			made.Dst = in.Dst
			*from[in.A.Reg] = ir.Ins{Op: ir.Mov, Wide: true, Dst: in.A.Reg, A: ir.C(0)} // which Unread takes away
			*in = made
		}
	}
}

// settled reports whether an instruction works on what is assigned once, and on
// constants.
func settled(f *ir.Func, in *ir.Ins, defs []int) bool {
	ok := func(o ir.Operand) bool {
		return o.Kind != ir.Value || defs[o.Reg] == 1 && f.Regs[o.Reg].Fixed == 0
	}
	return in.A.Kind == ir.Value && ok(in.A) && in.B.Kind != ir.Value
}
