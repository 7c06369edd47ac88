package opt

import (
	"slices"

	"ktrap/internal/compile/ir"
)

// Again makes what needs no operands behind calls and not before them: a machine
// register that outlives a call is saved and restored at each hit, which costs more
// than a constant.
func Again(f *ir.Func) {
	for _, b := range f.Blocks {
		delay(b)
	}
	defs, _ := counts(f)
	depth := f.Depths()
	for _, b := range f.Blocks {
		for i := range b.Ins {
			if in := b.Ins[i]; in.Op == ir.Vars && defs[in.Dst] == 1 {
				repeat(f, in, depth, depth[b.ID])
			}
		}
	}
}

// delay moves constants of a block behind calls before which nobody needs them.
func delay(b *ir.Block) {
	for i := len(b.Ins) - 1; i >= 0; i-- {
		in := b.Ins[i]
		if in.Op != ir.Mov || in.A.Kind != ir.Const {
			continue
		}
		to := i
		for j := i + 1; j < len(b.Ins) && b.Ins[j].Dst != in.Dst && !b.Ins[j].Takes(in.Dst); j++ {
			if b.Ins[j].Calls() {
				to = j
			}
		}
		copy(b.Ins[i:to], b.Ins[i+1:to+1])
		b.Ins[to] = in
	}
}

// repeat makes what in makes again behind a call, if it is needed behind no other
// one, and no oftener than it is made.
func repeat(f *ir.Func, in ir.Ins, depth []int, most int) {
	var at *ir.Block
	var call, found int
	needed := neededFirst(f, in.Dst)
	for _, b := range f.Blocks {
		now := ends(b, in.Dst, needed)
		for i := len(b.Ins) - 1; i >= 0; i-- {
			if b.Ins[i].Calls() && now {
				at, call = b, i
				found++
			}
			now = before(&b.Ins[i], in.Dst, now)
		}
	}
	if found == 1 && depth[at.ID] <= most {
		at.Ins = slices.Insert(at.Ins, call+1, in)
	}
}

// neededFirst says of each block whether r is needed at its top before any call.
func neededFirst(f *ir.Func, r ir.Reg) []bool {
	needed := make([]bool, len(f.Blocks))
	for changed := true; changed; {
		changed = false
		for i := len(f.Blocks) - 1; i >= 0; i-- {
			b := f.Blocks[i]
			now := ends(b, r, needed)
			for j := len(b.Ins) - 1; j >= 0; j-- {
				now = before(&b.Ins[j], r, now)
			}
			changed = changed || now != needed[i]
			needed[i] = now
		}
	}
	return needed
}

// ends reports whether r is needed at the end of b, or behind it.
func ends(b *ir.Block, r ir.Reg, needed []bool) bool {
	return b.End.Takes(r) || slices.ContainsFunc(b.Succ(), func(s *ir.Block) bool { return needed[s.ID] })
}

// before turns whether r is needed behind an instruction into whether it is before.
func before(in *ir.Ins, r ir.Reg, behind bool) bool {
	return in.Takes(r) || behind && !in.Calls() && in.Dst != r
}
