package opt

import "ktrap/internal/compile/ir"

// tracked is how many bytes of stack are followed from block to block.
const tracked = 4096

// Stores removes stores to the stack that nobody reads: what is written again before,
// or not read at all.
func Stores(f *ir.Func) {
	s := &stores{f: f, base: make([]int, len(f.Slots))}
	size := 0
	for i, slot := range f.Slots {
		s.base[i] = size
		if size+slot.Size > tracked {
			s.base[i] = -1
			continue
		}
		size += slot.Size
	}
	words := (size + 63) / 64
	in, out := make([][]uint64, len(f.Blocks)), make([][]uint64, len(f.Blocks))
	for i := range f.Blocks {
		in[i], out[i] = make([]uint64, words), make([]uint64, words)
	}
	live := make([]uint64, words)
	for changed := true; changed; {
		changed = false
		for i := len(f.Blocks) - 1; i >= 0; i-- {
			b := f.Blocks[i]
			for _, next := range b.Succ() {
				for w := range live {
					out[i][w] |= in[next.ID][w]
				}
			}
			copy(live, out[i])
			s.back(b, live, nil)
			for w := range live {
				changed = changed || live[w] != in[i][w]
			}
			copy(in[i], live)
		}
	}
	for i, b := range f.Blocks {
		copy(live, out[i])
		kept := len(b.Ins)
		s.back(b, live, func(in ir.Ins) {
			kept--
			b.Ins[kept] = in
		})
		b.Ins = b.Ins[kept:]
	}
}

type stores struct {
	f    *ir.Func
	base []int // of each slot: the number of its first byte, or -1
}

// back goes through a block from its end, and keeps what is needed. A bit of live is
// a byte of the stack that is read later.
func (s *stores) back(b *ir.Block, live []uint64, keep func(ir.Ins)) {
	for i := len(b.Ins) - 1; i >= 0; i-- {
		in := b.Ins[i]
		if in.Op == ir.Store && in.A.Kind == ir.Frame && in.B.Kind != ir.Frame && s.base[in.A.Index] >= 0 {
			from := s.base[in.A.Index] + int(at(&in))
			if !overwritten(live, from, int(in.Size)) {
				continue
			}
		} else {
			slotUses(&in, func(o *ir.Operand, what reach) { s.read(&in, o, what, live) })
		}
		if keep != nil {
			keep(in)
		}
	}
}

// read notes what an instruction reads: a helper, from where it is pointed to on.
func (s *stores) read(in *ir.Ins, o *ir.Operand, what reach, live []uint64) {
	base := s.base[o.Index]
	if what&reads == 0 || base < 0 {
		return
	}
	from, n := int(o.Imm), s.f.Slots[o.Index].Size-int(o.Imm)
	switch {
	case in.Op == ir.Load:
		from, n = int(at(in)), int(in.Size)
	case what != reads:
		from, n = 0, s.f.Slots[o.Index].Size
	}
	for b := base + from; b < base+from+n; b++ {
		live[b/64] |= 1 << (b % 64)
	}
}

// overwritten makes n bytes not live, and says whether one of them was.
func overwritten(live []uint64, from, n int) (was bool) {
	for b := from; b < from+n; b++ {
		was = was || live[b/64]>>(b%64)&1 != 0
		live[b/64] &^= 1 << (b % 64)
	}
	return was
}
