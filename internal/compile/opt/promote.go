package opt

import (
	"slices"

	"ktrap/internal/compile/ir"
)

// A piece is bytes of a slot that are stored together, and the register that holds
// them as well.
type piece struct {
	off, size int32
	reg       ir.Reg
	loaded    int32 // the most bytes of it at once
	mixed     bool  // other stores or loads cut it
}

// Promote lets loads of the stack become moves: what is stored to a slot that only
// instructions write is kept in registers too. The stores stay, for helpers; Stores
// takes those away that nobody reads.
func Promote(f *ir.Func) {
	defs, _ := counts(f)
	all := slotsOf(f, defs)
	pieces := make([][]piece, len(all))
	each(f, func(in *ir.Ins, index int32) {
		if !all[index].helped {
			pieces[index] = cut(pieces[index], in)
		}
	})
	for i := range pieces {
		pieces[i] = whole(pieces[i])
		for j := range pieces[i] {
			pieces[i][j].reg = f.NewReg(ir.Info{})
		}
	}
	for _, b := range f.Blocks {
		out := make([]ir.Ins, 0, len(b.Ins))
		for _, in := range b.Ins {
			out = append(out, in)
			if (in.Op != ir.Load && in.Op != ir.Store) || in.A.Kind != ir.Frame {
				continue
			}
			p := find(pieces[in.A.Index], at(&in))
			if p == nil {
				continue
			}
			if in.Op == ir.Store {
				out = append(out, cutTo(p.reg, in.B, p.size, in))
			} else {
				out[len(out)-1] = cutTo(in.Dst, ir.R(p.reg), in.Size, in)
			}
		}
		b.Ins = out
	}
}

// each calls do for every load of a slot and store to one.
func each(f *ir.Func, do func(in *ir.Ins, index int32)) {
	for _, b := range f.Blocks {
		for i := range b.Ins {
			if in := &b.Ins[i]; (in.Op == ir.Load || in.Op == ir.Store) && in.A.Kind == ir.Frame {
				do(in, in.A.Index)
			}
		}
	}
}

// at is where in its slot an instruction loads or stores.
func at(in *ir.Ins) int32 { return in.Off + int32(in.A.Imm) }

func find(list []piece, off int32) *piece {
	for i := range list {
		if list[i].off == off {
			return &list[i]
		}
	}
	return nil
}

// cut adds an instruction's bytes to the pieces of a slot.
func cut(list []piece, in *ir.Ins) []piece {
	p := find(list, at(in))
	if p == nil {
		list = append(list, piece{off: at(in)})
		p = &list[len(list)-1]
	}
	if in.Op == ir.Load {
		p.loaded = max(p.loaded, in.Size)
		return list
	}
	p.mixed = p.mixed || p.size != 0 && in.Size != p.size
	p.size = max(p.size, in.Size)
	return list
}

// whole leaves the pieces that no other one overlaps and that are loaded.
func whole(list []piece) []piece {
	slices.SortFunc(list, func(a, b piece) int { return int(a.off - b.off) })
	end := int32(0)
	for i := range list {
		if list[i].off < end {
			list[i].mixed, list[i-1].mixed = true, true
		}
		end = max(end, list[i].off+max(list[i].size, list[i].loaded))
	}
	return slices.DeleteFunc(list, func(p piece) bool { return p.mixed || p.loaded == 0 || p.loaded > p.size })
}

// cutTo is dst = the lower bytes of x.
func cutTo(dst ir.Reg, x ir.Operand, size int32, from ir.Ins) ir.Ins {
	in := ir.Ins{Op: ir.Mov, Wide: size == 8, Dst: dst, A: x, Pos: from.Pos}
	if size < 4 {
		in.Op, in.B = ir.And, ir.C(1<<(8*size)-1)
	}
	return in
}
