package ir

// Live says which registers are needed behind each block, by its ID. Most registers
// live in one block only and take no part: Regs are those that a block reads before it
// writes them, and a RegSet holds indexes of Regs.
type Live struct {
	Regs  []Reg
	Out   []RegSet
	index []int32 // by Reg: in Regs, or -1
}

// A RegSet is one of small numbers.
type RegSet []uint64

func (s RegSet) add(n int32)    { s[n/64] |= 1 << (n % 64) }
func (s RegSet) remove(n int32) { s[n/64] &^= 1 << (n % 64) }

// Each calls f for each number in the set.
func (s RegSet) Each(f func(int)) {
	for w, word := range s {
		for i := 0; word != 0; i, word = i+1, word>>1 {
			if word&1 != 0 {
				f(64*w + i)
			}
		}
	}
}

// Live finds what is live in a numbered function.
func (f *Func) Live() *Live {
	l := f.crossing()
	words := (len(l.Regs) + 63) / 64
	in := make([]RegSet, len(f.Blocks))
	l.Out = make([]RegSet, len(f.Blocks))
	backing := make([]uint64, 2*words*len(f.Blocks))
	for i := range f.Blocks {
		in[i], l.Out[i] = backing[:words], backing[words:2*words]
		backing = backing[2*words:]
	}
	scratch := make(RegSet, words)
	for changed := true; changed; {
		changed = false
		for i := len(f.Blocks) - 1; i >= 0; i-- {
			b := f.Blocks[i]
			for _, s := range b.Succ() {
				for w := range l.Out[i] {
					l.Out[i][w] |= in[s.ID][w]
				}
			}
			copy(scratch, l.Out[i])
			l.before(b, scratch)
			for w := range scratch {
				changed = changed || scratch[w] != in[i][w]
			}
			copy(in[i], scratch)
		}
	}
	return l
}

// crossing finds the registers that a block reads before it writes them.
func (f *Func) crossing() *Live {
	l := &Live{index: make([]int32, len(f.Regs))}
	for r := range l.index {
		l.index[r] = -1
	}
	written := make([]int, len(f.Regs)) // by the block of this ID, less 1
	for i, b := range f.Blocks {
		use := func(o *Operand) {
			if o.Kind == Value && written[o.Reg] != i+1 && l.index[o.Reg] < 0 {
				l.index[o.Reg] = int32(len(l.Regs))
				l.Regs = append(l.Regs, o.Reg)
			}
		}
		for j := range b.Ins {
			b.Ins[j].Uses(use)
			written[b.Ins[j].Dst] = i + 1
		}
		b.End.Uses(use)
	}
	return l
}

// before turns what is live behind a block into what is live at its top.
func (l *Live) before(b *Block, live RegSet) {
	use := func(o *Operand) {
		if o.Kind == Value && l.index[o.Reg] >= 0 {
			live.add(l.index[o.Reg])
		}
	}
	b.End.Uses(use)
	for i := len(b.Ins) - 1; i >= 0; i-- {
		if n := l.index[b.Ins[i].Dst]; n >= 0 {
			live.remove(n)
		}
		b.Ins[i].Uses(use)
	}
}
