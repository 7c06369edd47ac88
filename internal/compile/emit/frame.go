package emit

import (
	"go/token"
	"math/bits"
	"slices"

	"ktrap/internal/compile/ir"
)

// A stay is from where to where in the order of the blocks a slot is used.
type stay struct {
	slot        int
	first, last int
	pos         token.Pos // of its first use
}

// frame places the slots. Those share memory that are never used at once: a slot of
// which a loop uses a part only is used in all of the loop.
func (e *encoder) frame() error {
	e.slots = make([]int64, len(e.f.Slots))
	taken, active := uint64(0), []stay(nil) // a bit of taken is a word of the stack
	for _, s := range e.stays() {
		active = slices.DeleteFunc(active, func(a stay) bool {
			if a.last >= s.first {
				return false
			}
			taken &^= e.words(a.slot) << (-e.slots[a.slot]/8 - int64(e.f.Slots[a.slot].Size/8))
			return true
		})
		at := e.room(taken, s.slot)
		if at < 0 {
			return &Error{s.pos, ErrStack}
		}
		taken |= e.words(s.slot) << at
		e.slots[s.slot] = -int64(8*at + e.f.Slots[s.slot].Size)
		e.size = max(e.size, int(-e.slots[s.slot]))
		active = append(active, s)
	}
	return nil
}

// words is a mask of as many words as a slot has.
func (e *encoder) words(slot int) uint64 {
	return ^uint64(0) >> (64 - min(e.f.Slots[slot].Size/8, 64))
}

// room is the first word of the stack from which a slot fits, -1 if none is.
func (e *encoder) room(taken uint64, slot int) int {
	n := e.f.Slots[slot].Size / 8
	for at := 0; at+n <= stackSize/8; at++ {
		found := taken >> at & e.words(slot)
		if found == 0 {
			return at
		}
		at += bits.Len64(found) - 1
	}
	return -1
}

// stays finds where slots are used, by where that begins.
func (e *encoder) stays() []stay {
	all := make([]stay, len(e.f.Slots))
	at := 0
	top := make([]int, len(e.f.Blocks)+1)
	for i, b := range e.f.Blocks {
		top[i] = at
		for j := range b.Ins {
			at++
			b.Ins[j].Uses(func(o *ir.Operand) {
				if o.Kind != ir.Frame {
					return
				}
				s := &all[o.Index]
				if s.first == 0 {
					*s = stay{int(o.Index), at, at, b.Ins[j].Pos}
				}
				s.last = at
			})
		}
		at++
	}
	top[len(e.f.Blocks)] = at
	all = slices.DeleteFunc(all, func(s stay) bool { return s.first == 0 })
	e.stretch(all, top)
	slices.SortFunc(all, func(a, b stay) int { return a.first - b.first })
	return all
}

// A turn is a loop: from its head's top to the last block that leads back to it.
type turn struct{ from, to int }

// stretch makes the stay of a slot that is used in a loop, and outside of it, one in
// all of the loop.
func (e *encoder) stretch(all []stay, top []int) {
	var loops []turn
	for i, b := range e.f.Blocks {
		for _, s := range b.Succ() {
			if s.ID <= i {
				loops = append(loops, turn{top[s.ID], top[i+1]})
			}
		}
	}
	slices.SortFunc(loops, func(a, b turn) int { return (a.to - a.from) - (b.to - b.from) })
	for i := range all {
		s := &all[i]
		for _, l := range loops {
			if inside := s.first > l.from && s.last <= l.to; !inside && s.first <= l.to && s.last > l.from {
				s.first, s.last = min(s.first, l.from+1), max(s.last, l.to)
			}
		}
	}
}
