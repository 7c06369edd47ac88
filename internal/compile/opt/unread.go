package opt

import "ktrap/internal/compile/ir"

// Unread removes what writes a register that is written again, on every way, before
// anyone reads it: such as the zero that a variable begins with.
func Unread(f *ir.Func) {
	live := f.Live()
	needed := make([]int, len(f.Regs)) // in the block of this ID, plus 1
	for i, b := range f.Blocks {
		now := i + 1
		use := func(o *ir.Operand) {
			if o.Kind == ir.Value {
				needed[o.Reg] = now
			}
		}
		live.Out[i].Each(func(n int) { needed[live.Regs[n]] = now })
		b.End.Uses(use)
		kept := len(b.Ins)
		for j := len(b.Ins) - 1; j >= 0; j-- {
			in := b.Ins[j]
			if in.Dst != 0 && needed[in.Dst] != now && !in.Effect() {
				continue
			}
			needed[in.Dst] = 0
			in.Uses(use)
			kept--
			b.Ins[kept] = in
		}
		b.Ins = b.Ins[kept:]
	}
}
