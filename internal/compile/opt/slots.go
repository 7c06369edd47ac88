package opt

import (
	"slices"
	"strconv"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/ir"
)

// reach says what a helper does with the stack behind an argument.
type reach uint8

const (
	reads reach = 1 << iota
	writes
)

// reaches lists helpers that do not both read and write it, by argument.
var reaches = map[asm.BuiltinFunc][5]reach{
	asm.FnMapLookupElem:      {1: reads},
	asm.FnMapUpdateElem:      {1: reads, 2: reads},
	asm.FnMapDeleteElem:      {1: reads},
	asm.FnGetCurrentComm:     {0: writes},
	asm.FnGetStack:           {1: writes},
	asm.FnProbeReadKernel:    {0: writes, 2: reads},
	asm.FnProbeReadUser:      {0: writes, 2: reads},
	asm.FnProbeReadKernelStr: {0: writes, 2: reads},
	asm.FnProbeReadUserStr:   {0: writes, 2: reads},
}

// slotUses calls f for each slot that the instruction names, and says whether it
// reads or writes it; both for what is not known.
func slotUses(in *ir.Ins, f func(o *ir.Operand, what reach)) {
	switch {
	case in.Op == ir.Load && in.A.Kind == ir.Frame:
		f(&in.A, reads)
	case in.Op == ir.Store && in.A.Kind == ir.Frame && in.B.Kind != ir.Frame:
		f(&in.A, writes)
	case in.Op == ir.Copy || in.Op == ir.Text:
		if in.A.Kind == ir.Frame {
			f(&in.A, writes)
		}
		if in.B.Kind == ir.Frame {
			f(&in.B, reads)
		}
	case in.Op == ir.Call:
		known := reaches[asm.BuiltinFunc(in.Fn)]
		for i := range in.Args {
			if in.Args[i].Kind != ir.Frame {
				continue
			}
			what := known[i]
			if what == 0 {
				what = reads | writes
			}
			f(&in.Args[i], what)
		}
	default:
		in.Uses(func(o *ir.Operand) {
			if o.Kind == ir.Frame {
				f(o, reads|writes)
			}
		})
	}
}

// A slot is what is known of one.
type slot struct {
	block   *ir.Block // that writes it
	spread  bool      // several blocks do, or what is not known
	written int       // the last instruction of block that does
	read    int       // the first one of block that reads; both count from 1
	helped  bool      // others than stores write it
	text    []byte    // what is written: equal for what is equal,
	unlike  bool      // if that can be said
}

// slotsOf looks at all slots of f, whose registers are written so often as defs says.
func slotsOf(f *ir.Func, defs []int) []slot {
	all := make([]slot, len(f.Slots))
	for _, b := range f.Blocks {
		for i := range b.Ins {
			in := &b.Ins[i]
			slotUses(in, func(o *ir.Operand, what reach) {
				s := &all[o.Index]
				s.spread = s.spread || what == reads|writes
				s.helped = s.helped || what&writes != 0 && in.Op != ir.Store
				if what&writes != 0 {
					s.spread = s.spread || s.block != nil && s.block != b
					s.block, s.written = b, i+1
					s.note(in, o, defs)
				}
				if what&reads != 0 && s.read == 0 && (s.block == nil || s.block == b) {
					s.read = i + 1
				}
			})
		}
	}
	return all
}

// note takes in what is written. A register that is written once is the same thing
// wherever it is; what a helper reads may be another the next time, but for the name
// of the thread.
func (s *slot) note(in *ir.Ins, o *ir.Operand, defs []int) {
	n := func(v int64) { s.text = append(strconv.AppendInt(s.text, v, 36), ' ') }
	n(o.Imm)
	if in.Op != ir.Store {
		s.unlike = s.unlike || in.Op != ir.Call || in.Fn != int32(asm.FnGetCurrentComm)
		return
	}
	s.unlike = s.unlike || in.B.Kind == ir.Value && defs[in.B.Reg] != 1
	n(int64(in.Off))
	n(int64(in.Size))
	n(int64(in.B.Kind))
	n(int64(in.B.Reg))
	n(in.B.Imm)
}

// once reports whether the slot is written in one go, before it is read.
func (s *slot) once() bool {
	return s.block != nil && !s.spread && (s.read == 0 || s.read > s.written)
}

// Same gives slots that hold the same one place: a key that is built twice, a name
// that is asked for again. What a slot holds that is written in one go stays as it is;
// another one that is filled with the same, where that has happened on every way, is
// not needed.
func Same(f *ir.Func) {
	defs, _ := counts(f)
	m := &merging{all: slotsOf(f, defs), slots: f.Slots, of: make([][]int32, len(f.Blocks)), is: make([]int32, len(f.Slots)), held: map[string]int32{}}
	for i := range m.all {
		m.is[i] = int32(i)
		if s := &m.all[i]; s.once() && !s.unlike {
			m.of[s.block.ID] = append(m.of[s.block.ID], int32(i))
		}
	}
	m.children = dominated(f, dominators(f, f.Preds()))
	if m.block(f.Blocks[0]); m.merged {
		m.apply(f)
	}
	open(f)
}

type merging struct {
	all      []slot
	of       [][]int32 // slots by the block that writes them
	children [][]*ir.Block
	held     map[string]int32 // by what it holds
	is       []int32          // which slot holds what this one does
	slots    []ir.Slot
	merged   bool
}

func (m *merging) block(b *ir.Block) {
	slices.SortFunc(m.of[b.ID], func(i, j int32) int { return m.all[i].written - m.all[j].written })
	for _, i := range m.of[b.ID] {
		key := string(m.all[i].text)
		if j, ok := m.held[key]; ok {
			m.is[i], m.merged = j, true
			m.slots[j].Text = m.slots[j].Text && m.slots[i].Text
		} else {
			m.held[key] = i
		}
	}
	for _, c := range m.children[b.ID] {
		m.block(c)
	}
	for _, i := range m.of[b.ID] {
		if key := string(m.all[i].text); m.held[key] == i {
			delete(m.held, key)
		}
	}
}

// open takes away the zeros that texts are filled up with, where nobody looks at them.
func open(f *ir.Func) {
	for _, b := range f.Blocks {
		b.Ins = slices.DeleteFunc(b.Ins, func(in ir.Ins) bool {
			return in.Op == ir.Store && in.A.Kind == ir.Frame && f.Slots[in.A.Index].Text
		})
	}
}

// apply takes away what wrote the slots that are not needed.
func (m *merging) apply(f *ir.Func) {
	for _, b := range f.Blocks {
		kept := b.Ins[:0]
		for i := range b.Ins {
			gone := false
			slotUses(&b.Ins[i], func(o *ir.Operand, what reach) {
				gone = gone || what == writes && m.is[o.Index] != o.Index
				o.Index = m.is[o.Index]
			})
			if !gone {
				kept = append(kept, b.Ins[i])
			}
		}
		b.Ins = kept
	}
}
