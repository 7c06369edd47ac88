package lower

import (
	"ktrap/internal/compile/ir"
	"ktrap/internal/object"
)

// caller is where the call's frame lies: no two calls that run have the same, be
// they of one thread, of idle threads or of interrupts, since each has its own part
// of a stack.
//
// A trampoline calls the programs of a function's entry and of its return with one
// address, which is in its own frame. As a number it is told by the distance from
// the file's variables, which is one for all programs: the verifier takes the
// difference of two pointers for a number.
//
// A kprobe at the entry has the stack pointer before the return address was taken
// from the stack, a kretprobe the one behind it: seen on 5.10, 6.1, 6.12 and 7.3.
func (l *lowering) caller() {
	in := *l.in
	sp := int32(l.t.Arch.Regs[l.t.Arch.SP].Offset)
	switch l.t.Context {
	case object.Fentry, object.Fexit:
		vars := l.f.NewReg(ir.Info{})
		l.add(ir.Ins{Op: ir.Vars, Dst: vars})
		l.add(ir.Ins{Op: ir.Sub, Wide: true, Dst: in.Dst, A: ir.R(l.ctx), B: ir.R(vars)})
	case object.Kretprobe:
		behind := l.f.NewReg(ir.Info{})
		l.load(behind, ir.R(l.ctx), sp, 8)
		l.add(ir.Ins{Op: ir.Sub, Wide: true, Dst: in.Dst, A: ir.R(behind), B: ir.C(int64(l.t.Arch.StackArg))})
	default:
		l.load(in.Dst, ir.R(l.ctx), sp, 8)
	}
}
