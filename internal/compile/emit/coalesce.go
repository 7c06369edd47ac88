package emit

import (
	"slices"

	"ktrap/internal/compile/ir"
)

// coalesce makes one register of two that are moved into each other and never needed
// at once, so that the move goes.
func coalesce(f *ir.Func) {
	l := intervals(f)
	is := make([]ir.Reg, len(f.Regs)) // what it became, or 0
	find := func(r ir.Reg) ir.Reg {
		for is[r] != 0 {
			r = is[r]
		}
		return r
	}
	merged := false
	for _, b := range f.Blocks {
		for i := range b.Ins {
			in := &b.Ins[i]
			if in.Op != ir.Mov || !in.Wide || in.A.Kind != ir.Value {
				continue
			}
			to, from := find(in.Dst), find(in.A.Reg)
			if to == from || f.Regs[to].Fixed != 0 || f.Regs[from].Fixed != 0 {
				continue
			}
			v, w := &l.list[to], &l.list[from]
			if v.meets(w) {
				continue
			}
			if len(v.spans) < len(w.spans) {
				v, w = w, v
			}
			v.take(w)
			is[w.reg], merged = v.reg, true
		}
	}
	if merged {
		renamed(f, find)
	}
}

// take makes w's spans v's.
func (v *interval) take(w *interval) {
	for _, s := range w.spans {
		i, _ := slices.BinarySearchFunc(v.spans, s, func(a, b span) int { return a.from - b.from })
		v.spans = slices.Insert(v.spans, i, s)
	}
}

// renamed gives each register the name of what it became; moves to itself go.
func renamed(f *ir.Func, find func(ir.Reg) ir.Reg) {
	name := func(o *ir.Operand) {
		if o.Kind == ir.Value {
			o.Reg = find(o.Reg)
		}
	}
	for _, b := range f.Blocks {
		kept := b.Ins[:0]
		for _, in := range b.Ins {
			in.Uses(name)
			in.Dst = find(in.Dst)
			if in.Op != ir.Mov || !in.Wide || in.A != ir.R(in.Dst) {
				kept = append(kept, in)
			}
		}
		b.Ins = kept
		b.End.Uses(name)
	}
}
