package opt

import (
	"math/bits"

	"ktrap/internal/compile/ir"
)

// made is how a register was made of another one and a constant: what values know of
// bits.
type made struct {
	op   ir.Op
	wide bool
	from ir.Reg
	by   int64
	when int32 // version of from
}

func (n *numbering) madeOf(o ir.Operand) (m made, ok bool) {
	if o.Kind != ir.Value {
		return m, false
	}
	m = n.of(o.Reg).made
	return m, m.from != 0 && m.when == n.version(m.from)
}

// madeBy is how in, which works on a register, makes its own.
func (n *numbering) madeBy(in *ir.Ins) made {
	if in.Op > ir.Neg || in.B.Kind == ir.Value || in.A.Reg == in.Dst {
		return made{}
	}
	return made{op: in.Op, wide: in.Wide, from: in.A.Reg, by: in.B.Imm, when: n.version(in.A.Reg)}
}

// loose replaces an operand of which only the lower bits count by one that has the
// same: what was cut, extended or masked for nothing.
func (n *numbering) loose(o *ir.Operand, demanded int) {
	for {
		m, ok := n.madeOf(*o)
		if !ok {
			return
		}
		same := 0
		switch {
		case m.op == ir.Mov && !m.wide:
			same = 32
		case m.op == ir.And && m.by > 0 && m.by&(m.by+1) == 0:
			same = bits.Len64(uint64(m.by))
		case m.op == ir.Sar || m.op == ir.Shr:
			if up, ok := n.madeOf(ir.R(m.from)); ok && up.op == ir.Shl && up.by == m.by && up.wide == m.wide {
				m.from, same = up.from, 32-int(m.by)
				if m.wide {
					same += 32
				}
			}
		}
		if same < demanded {
			return
		}
		o.Reg = m.from
	}
}

// narrow lets an instruction take operands as wide as it reads them.
func (n *numbering) narrow(in *ir.Ins) {
	switch {
	case in.Op == ir.Store && in.Size < 8:
		n.loose(&in.B, 8*int(in.Size))
	case in.Op == ir.And && in.B.Kind == ir.Const && in.B.Imm > 0:
		n.loose(&in.A, bits.Len64(uint64(in.B.Imm)))
	case in.Op <= ir.Neg && !in.Wide:
		n.loose(&in.A, 32)
		n.loose(&in.B, 32)
	}
}

// chain makes one shift, mask or sum of two.
func (n *numbering) chain(in *ir.Ins) {
	m, ok := n.madeOf(in.A)
	if !ok || in.B.Kind != ir.Const || m.op != in.Op || m.wide != in.Wide {
		return
	}
	width := int64(32)
	if in.Wide {
		width = 64
	}
	switch in.Op {
	case ir.Sar:
		in.B.Imm = min(m.by+in.B.Imm, width-1)
	case ir.And:
		in.B.Imm &= m.by
	default:
		return
	}
	in.A.Reg = m.from
}
