package emit

import (
	"sort"

	"ktrap/internal/compile/ir"
)

// An interval is from where to where a register is needed, in positions: twice
// the number of the instruction in the order of the blocks, plus one where the
// instruction writes. It has no holes.
type interval struct {
	reg        ir.Reg
	start, end int // start is -1 for a register that nobody uses
	weight     float64
	call       bool     // a call lies inside
	hints      []ir.Reg // registers that it is moved to or from
}

func (v *interval) extend(pos int) {
	if v.start < 0 {
		v.start, v.end = pos, pos
	}
	v.start, v.end = min(v.start, pos), max(v.end, pos)
}

type bitset []uint64

func (s bitset) set(r ir.Reg)   { s[r/64] |= 1 << (r % 64) }
func (s bitset) clear(r ir.Reg) { s[r/64] &^= 1 << (r % 64) }

func (s bitset) each(f func(ir.Reg)) {
	for w, word := range s {
		for i := 0; word != 0; i, word = i+1, word>>1 {
			if word&1 != 0 {
				f(ir.Reg(64*w + i))
			}
		}
	}
}

// live returns the registers that are needed at each block's top and behind it.
func live(f *ir.Func) (in, out []bitset) {
	words := (len(f.Regs) + 63) / 64
	in, out = make([]bitset, len(f.Blocks)), make([]bitset, len(f.Blocks))
	backing := make([]uint64, 2*words*len(f.Blocks))
	for i := range f.Blocks {
		in[i], out[i] = backing[:words], backing[words:2*words]
		backing = backing[2*words:]
	}
	scratch := make(bitset, words)
	for changed := true; changed; {
		changed = false
		for i := len(f.Blocks) - 1; i >= 0; i-- {
			b := f.Blocks[i]
			for _, s := range b.Succ() {
				for w := range out[i] {
					out[i][w] |= in[s.ID][w]
				}
			}
			copy(scratch, out[i])
			before(b, scratch)
			for w := range scratch {
				changed = changed || scratch[w] != in[i][w]
			}
			copy(in[i], scratch)
		}
	}
	return in, out
}

// before turns what is live behind a block into what is live at its top.
func before(b *ir.Block, live bitset) {
	use := func(o *ir.Operand) {
		if o.Kind == ir.Value {
			live.set(o.Reg)
		}
	}
	b.End.Uses(use)
	for i := len(b.Ins) - 1; i >= 0; i-- {
		live.clear(b.Ins[i].Dst)
		b.Ins[i].Uses(use)
	}
}

// intervals finds all intervals, by register.
func intervals(f *ir.Func) []interval {
	list := make([]interval, len(f.Regs))
	for r := range list {
		list[r] = interval{reg: ir.Reg(r), start: -1}
	}
	in, out := live(f)
	depth := depths(f)
	var calls []int
	pos := 0
	for i, b := range f.Blocks {
		weight := float64(int(1) << (3 * min(depth[i], 6)))
		in[i].each(func(r ir.Reg) { list[r].extend(pos) })
		for j := range b.Ins {
			note(list, &b.Ins[j], pos, weight)
			if op := b.Ins[j].Op; op == ir.Call || op == ir.Kfunc {
				calls = append(calls, pos)
			}
			pos += 2
		}
		b.End.Uses(func(o *ir.Operand) {
			if o.Kind == ir.Value {
				list[o.Reg].extend(pos)
				list[o.Reg].weight += weight
			}
		})
		out[i].each(func(r ir.Reg) { list[r].extend(pos + 1) })
		pos += 2
	}
	for r := range list {
		v := &list[r]
		if f.Regs[r].Fixed != 0 && v.start >= 0 {
			v.extend(0)
		}
		c := sort.SearchInts(calls, v.start)
		v.call = v.start >= 0 && c < len(calls) && calls[c] < v.end
	}
	return list
}

// note extends the intervals of an instruction's registers.
func note(list []interval, in *ir.Ins, pos int, weight float64) {
	use := func(o *ir.Operand, at int) {
		if o.Kind == ir.Value {
			list[o.Reg].extend(at)
			list[o.Reg].weight += weight
		}
	}
	in.Uses(func(o *ir.Operand) { use(o, pos) })
	if in.Op > ir.Mov && in.Op < ir.Neg && !commutes(in.Op) {
		use(&in.B, pos+1) // must not be where Dst is, which A is moved to first
	}
	if in.Dst == 0 {
		return
	}
	list[in.Dst].extend(pos + 1)
	list[in.Dst].weight += weight
	if in.A.Kind == ir.Value && in.Op <= ir.Neg {
		list[in.Dst].hints = append(list[in.Dst].hints, in.A.Reg)
		list[in.A.Reg].hints = append(list[in.A.Reg].hints, in.Dst)
	}
}

func commutes(op ir.Op) bool {
	switch op {
	case ir.Add, ir.Mul, ir.And, ir.Or, ir.Xor:
		return true
	}
	return false
}

// depths tells how many loops each block lies in: in the order of the blocks, a
// loop is from its head to the last jump back to it.
func depths(f *ir.Func) []int {
	depth := make([]int, len(f.Blocks))
	last := map[int]int{}
	for i, b := range f.Blocks {
		for _, s := range b.Succ() {
			if s.ID <= i {
				last[s.ID] = max(last[s.ID], i)
			}
		}
	}
	for head, end := range last {
		for i := head; i <= end; i++ {
			depth[i]++
		}
	}
	return depth
}
