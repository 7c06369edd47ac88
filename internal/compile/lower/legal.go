package lower

import (
	"math"

	"ktrap/internal/compile/ir"
)

// Legal gives each operand that BPF has no room for a register: constants of more
// than 32 bits, offsets of more than 16.
func Legal(f *ir.Func) {
	for _, b := range f.Blocks {
		l := legaliser{f: f, out: make([]ir.Ins, 0, len(b.Ins)+4)}
		for i := range b.Ins {
			in := b.Ins[i]
			l.pos = in
			l.instruction(&in)
			l.out = append(l.out, in)
		}
		if b.End.Kind == ir.Branch {
			l.pos = ir.Ins{Pos: b.End.Pos}
			l.wide(&b.End.B, b.End.Wide)
			if b.End.A.Kind != ir.Value {
				l.register(&b.End.A)
			}
		}
		b.Ins = l.out
	}
}

type legaliser struct {
	f   *ir.Func
	out []ir.Ins
	pos ir.Ins
}

func (l *legaliser) instruction(in *ir.Ins) {
	switch in.Op {
	case ir.Load, ir.Store, ir.Atomic:
		l.address(in)
	}
	switch {
	case in.Op == ir.Atomic && in.B.Kind != ir.Value:
		l.register(&in.B)
	case in.Op == ir.Store:
		l.wide(&in.B, in.Size == 8)
	case in.Op > ir.Mov && in.Op <= ir.Neg:
		l.wide(&in.B, in.Wide)
	}
}

// address brings a load's or store's address within reach.
func (l *legaliser) address(in *ir.Ins) {
	if in.A.Kind == ir.Const {
		l.register(&in.A)
	}
	if in.Off < math.MinInt16 || in.Off > math.MaxInt16 {
		dst := l.f.NewReg(ir.Info{})
		l.out = append(l.out, ir.Ins{Op: ir.Add, Wide: true, Dst: dst, A: in.A, B: ir.C(int64(in.Off)), Pos: in.Pos})
		in.A, in.Off = ir.R(dst), 0
	}
}

func (l *legaliser) wide(o *ir.Operand, wide bool) {
	if o.Kind == ir.Const && wide && int64(int32(o.Imm)) != o.Imm || o.Kind == ir.Frame {
		l.register(o)
	}
}

func (l *legaliser) register(o *ir.Operand) {
	dst := l.f.NewReg(ir.Info{})
	l.out = append(l.out, ir.Ins{Op: ir.Mov, Wide: true, Dst: dst, A: *o, Pos: l.pos.Pos})
	*o = ir.R(dst)
}
