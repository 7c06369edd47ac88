package opt

import "ktrap/internal/compile/ir"

// Limits of what Thread looks at.
const (
	maxCopies = 4 // moves that a way may take along
	maxBack   = 6 // blocks in which it looks for a constant
)

// Thread leads a way past a comparison whose outcome it knows: where a register is
// given a constant, and a block that does no more than move registers then compares
// it with another. So flags vanish (found = true … if found), and a loop that begins
// with a constant compares at its end only.
func Thread(f *ir.Func) {
	preds := f.Preds()
	for _, b := range f.Blocks {
		if !forks(b) {
			continue
		}
		for _, p := range preds[b.ID] {
			if p.End.Kind != ir.Jump || p.End.To[0] != b || p == b {
				continue
			}
			known, ok := constantBehind(p, preds, compared(b))
			if !ok {
				continue
			}
			to := b.End.To[1]
			if holds(b.End.Cond, b.End.Wide, known, b.End.B.Imm) {
				to = b.End.To[0]
			}
			p.Ins = append(p.Ins, b.Ins...)
			p.End = ir.End{Kind: ir.Jump, To: [2]*ir.Block{to}, Pos: b.End.Pos}
			preds[to.ID] = append(preds[to.ID], p)
		}
	}
	f.Number()
}

// forks reports whether a block moves registers at most, and compares one with a
// constant.
func forks(b *ir.Block) bool {
	e := &b.End
	if e.Kind != ir.Branch || e.A.Kind != ir.Value || e.B.Kind != ir.Const || len(b.Ins) > maxCopies {
		return false
	}
	for i := range b.Ins {
		if b.Ins[i].Op != ir.Mov || !b.Ins[i].Wide {
			return false
		}
	}
	return true
}

// compared is what b compares, as it is called at b's top.
func compared(b *ir.Block) ir.Operand {
	o := b.End.A
	for i := len(b.Ins) - 1; i >= 0; i-- {
		if o == ir.R(b.Ins[i].Dst) {
			o = b.Ins[i].A
		}
	}
	return o
}

// constantBehind is what o is behind p, if that is a constant.
func constantBehind(p *ir.Block, preds [][]*ir.Block, o ir.Operand) (int64, bool) {
	for range maxBack {
		for i := len(p.Ins) - 1; i >= 0; i-- {
			in := &p.Ins[i]
			if o != ir.R(in.Dst) {
				continue
			}
			if in.Op != ir.Mov || !in.Wide {
				return 0, false
			}
			o = in.A
		}
		if o.Kind != ir.Value || len(preds[p.ID]) != 1 {
			break
		}
		p = preds[p.ID][0]
	}
	return o.Imm, o.Kind == ir.Const
}
