// Package opt makes IR smaller without changing what it does: constants are
// folded, what was computed is not computed again, what nobody uses goes.
//
// Each pass is a function over one ir.Func, which it leaves numbered.
package opt

import "ktrap/internal/compile/ir"

// Branches joins blocks that belong together and lets jumps to jumps go on.
func Branches(f *ir.Func) {
	for _, b := range f.Blocks {
		for i := range b.Succ() {
			b.End.To[i] = target(b.End.To[i])
		}
		if e := &b.End; e.Kind == ir.Branch && e.To[0] == e.To[1] {
			*e = ir.End{Kind: ir.Jump, To: e.To, Pos: e.Pos}
		}
	}
	f.Number()
	preds := f.Preds()
	for _, b := range f.Blocks {
		for b.End.Kind == ir.Jump {
			next := b.End.To[0]
			if next == b || len(preds[next.ID]) != 1 || next.ID == 0 {
				break
			}
			b.Ins = append(b.Ins, next.Ins...)
			b.End = next.End
			next.Ins, next.End = nil, ir.End{Kind: ir.Jump, To: [2]*ir.Block{next}}
			for _, s := range b.Succ() {
				for i, p := range preds[s.ID] {
					if p == next {
						preds[s.ID][i] = b
					}
				}
			}
		}
	}
	f.Number()
}

// target is where a jump to b ends up.
func target(b *ir.Block) *ir.Block {
	for range 64 { // a loop without a body leads to itself
		if len(b.Ins) > 0 || b.End.Kind != ir.Jump {
			break
		}
		b = b.End.To[0]
	}
	return b
}

// Dead removes what is computed and not used.
func Dead(f *ir.Func) {
	uses := make([]int, len(f.Regs))
	count := func(o *ir.Operand) {
		if o.Kind == ir.Value {
			uses[o.Reg]++
		}
	}
	for _, b := range f.Blocks {
		for i := range b.Ins {
			b.Ins[i].Uses(count)
		}
		b.End.Uses(count)
	}
	for changed := true; changed; {
		changed = false
		for n := len(f.Blocks) - 1; n >= 0; n-- {
			changed = sweep(f.Blocks[n], uses) || changed
		}
	}
}

// sweep removes the dead instructions of a block, from its end on, so that what
// only they used goes too.
func sweep(b *ir.Block, uses []int) bool {
	kept := len(b.Ins)
	for i := len(b.Ins) - 1; i >= 0; i-- {
		in := b.Ins[i]
		if in.Dst != 0 && !in.Effect() && dead(&in, uses) {
			in.Uses(func(o *ir.Operand) {
				if o.Kind == ir.Value {
					uses[o.Reg]--
				}
			})
			continue
		}
		kept--
		b.Ins[kept] = in
	}
	b.Ins = b.Ins[kept:]
	return kept > 0
}

// dead reports whether nobody but the instruction itself uses its result.
func dead(in *ir.Ins, uses []int) bool {
	own := 0
	in.Uses(func(o *ir.Operand) {
		if o.Kind == ir.Value && o.Reg == in.Dst {
			own++
		}
	})
	return uses[in.Dst] == own
}

// counts tells how often each register is written and read.
func counts(f *ir.Func) (defs, uses []int) {
	defs, uses = make([]int, len(f.Regs)), make([]int, len(f.Regs))
	count := func(o *ir.Operand) {
		if o.Kind == ir.Value {
			uses[o.Reg]++
		}
	}
	for _, b := range f.Blocks {
		for i := range b.Ins {
			defs[b.Ins[i].Dst]++
			b.Ins[i].Uses(count)
		}
		b.End.Uses(count)
	}
	return defs, uses
}
