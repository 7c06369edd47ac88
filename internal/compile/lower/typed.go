package lower

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/ir"
)

// settle finds the registers of which the verifier knows what they point to: those that
// are only ever given what it knows. A loop gives a register what it makes of it; so
// all are taken for known until one of them is given something else.
func (l *lowering) settle() {
	for r := range l.typed {
		l.typed[r] = l.f.Regs[r].Struct != 0 && l.defs[r] > 0
	}
	for changed := true; changed; {
		changed = false
		for _, b := range l.f.Blocks {
			for i := range b.Ins {
				if in := &b.Ins[i]; l.typed[in.Dst] && !l.gives(in) {
					l.typed[in.Dst], changed = false, true
				}
			}
		}
	}
}

// gives reports whether the verifier knows what an instruction gives its Dst.
func (l *lowering) gives(in *ir.Ins) bool {
	switch in.Op {
	case ir.Arg:
		return l.trampoline() && l.direct(in)
	case ir.Read:
		return !in.User && (l.knows(in.A) || l.t.Cast != 0 && l.structOf(in.A) != 0) && l.plainly(*in)
	case ir.Mov:
		return l.knows(in.A) && l.f.Regs[in.A.Reg].Struct == l.f.Regs[in.Dst].Struct
	case ir.Call:
		return l.isTask(in)
	}
	return false
}

func (l *lowering) isTask(in *ir.Ins) bool {
	return in.Fn == int32(asm.FnGetCurrentTask) && l.t.TaskBTF
}

func (l *lowering) knows(o ir.Operand) bool {
	return o.Kind == ir.Value && int(o.Reg) < len(l.typed) && l.typed[o.Reg]
}
