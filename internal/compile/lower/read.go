package lower

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/ir"
)

// read reads a scalar.
func (l *lowering) read() {
	in := *l.in
	switch {
	case in.User:
		l.probe(in, asm.FnProbeReadUser)
	case l.knows(in.A) && l.plainly(in):
		l.load(in.Dst, in.A, in.Off, in.Size)
	case l.t.Cast != 0 && l.structOf(in.A) != 0 && l.plainly(in):
		cast := l.f.NewReg(ir.Info{})
		l.add(ir.Ins{Op: ir.Kfunc, Fn: int32(l.t.Cast), Dst: cast, Args: []ir.Operand{in.A, ir.C(int64(l.structOf(in.A)))}})
		l.load(in.Dst, ir.R(cast), in.Off, in.Size)
	default:
		l.probe(in, asm.FnProbeReadKernel)
	}
}

// plainly reports whether the verifier takes what a load of a known struct finds for
// what it is used as: what the first member of a union is need not be what the handler
// reads.
func (l *lowering) plainly(in ir.Ins) bool {
	if in.From != 0 || in.Off < 0 {
		return false
	}
	to, pointer, ok := l.t.Types.Loaded(l.f.Regs[in.A.Reg].Struct, uint32(in.Off), uint32(in.Size))
	if pointer && to == 0 && l.computed[in.Dst] { // since 6.17 (f2362a57aeff) no number
		return false
	}
	return ok && to == l.f.Regs[in.Dst].Struct
}

func (l *lowering) structOf(o ir.Operand) uint32 {
	if o.Kind != ir.Value {
		return 0
	}
	id := uint32(l.f.Regs[o.Reg].Struct)
	if l.t.Module != 0 && id >= uint32(l.t.Module) {
		return 0
	}
	return id
}

// probe reads by a helper, which gives zero for what it can't read: to where the value
// is stored next, if that is a record's field or a key's.
func (l *lowering) probe(in ir.Ins, fn asm.BuiltinFunc) {
	if to := l.next; to != nil && to.Op == ir.Store && to.B == ir.R(in.Dst) && to.Size == in.Size && l.private(to.A) {
		l.taken = true
		l.fetch(fn, l.offset(to.A, to.Off), in.Size, l.offset(in.A, in.Off))
		if l.uses[in.Dst] > 1 {
			l.load(in.Dst, to.A, to.Off, in.Size)
		}
		return
	}
	l.fetch(fn, l.scratchSlot(), in.Size, l.offset(in.A, in.Off))
	l.load(in.Dst, l.scratchSlot(), 0, in.Size)
}

// private reports whether nobody else sees what is written at an address.
func (l *lowering) private(o ir.Operand) bool {
	return o.Kind == ir.Frame || o.Kind == ir.Value && l.records[o.Reg] && l.defs[o.Reg] == 1
}

func (l *lowering) fetch(fn asm.BuiltinFunc, to ir.Operand, size int32, from ir.Operand) {
	l.add(ir.Ins{Op: ir.Call, Fn: int32(fn), Dst: l.f.NewReg(ir.Info{}), Args: []ir.Operand{to, ir.C(int64(size)), from}})
}

// offset is the address base+off.
func (l *lowering) offset(base ir.Operand, off int32) ir.Operand {
	switch {
	case off == 0:
		return base
	case base.Kind == ir.Const:
		return ir.C(base.Imm + int64(off))
	case base.Kind == ir.Frame:
		return base.Plus(int64(off))
	}
	dst := l.f.NewReg(ir.Info{})
	l.add(ir.Ins{Op: ir.Add, Wide: true, Dst: dst, A: base, B: ir.C(int64(off))})
	return ir.R(dst)
}

// scratchSlot is where a helper leaves a word that is loaded at once.
func (l *lowering) scratchSlot() ir.Operand {
	if l.scratch.Kind == ir.None {
		l.scratch = l.f.NewSlot(8)
	}
	return l.scratch
}

func (l *lowering) copy() { l.bytes(asm.FnProbeReadKernel, asm.FnProbeReadUser) }
func (l *lowering) text() { l.bytes(asm.FnProbeReadKernelStr, asm.FnProbeReadUserStr) }

func (l *lowering) bytes(kernel, user asm.BuiltinFunc) {
	in := *l.in
	if in.User {
		kernel = user
	}
	to := l.offset(in.A, in.Off)
	l.fetch(kernel, to, in.Size, l.offset(in.B, in.From))
}

// number makes a plain number of a pointer. The verifier allows no arithmetic on
// one that it knows, and knows it wherever it is copied or spilled; a helper that
// reads it from memory forgets it. As an address for a helper any pointer will do.
func (l *lowering) number() {
	if !l.knows(l.in.A) || !l.computed[l.in.Dst] {
		l.add(ir.Ins{Op: ir.Mov, Wide: true, Dst: l.in.Dst, A: l.in.A})
		return
	}
	if l.plain.Kind == ir.None {
		l.plain = l.f.NewSlot(8)
	}
	l.add(ir.Ins{Op: ir.Store, A: l.plain, B: l.in.A, Size: 8})
	l.fetch(asm.FnProbeReadKernel, l.scratchSlot(), 8, l.plain)
	l.load(l.in.Dst, l.scratchSlot(), 0, 8)
}

// computed finds the registers that are used for more than to read what they point to,
// or moved to one that is.
func computed(f *ir.Func) []bool {
	is := make([]bool, len(f.Regs))
	note := func(o *ir.Operand) bool {
		if o.Kind != ir.Value || is[o.Reg] {
			return false
		}
		is[o.Reg] = true
		return true
	}
	for changed := true; changed; {
		changed = false
		for i := len(f.Blocks) - 1; i >= 0; i-- {
			b := f.Blocks[i]
			b.End.Uses(func(o *ir.Operand) { changed = note(o) || changed })
			for j := len(b.Ins) - 1; j >= 0; j-- {
				switch in := &b.Ins[j]; in.Op {
				case ir.Read, ir.Plain:
				case ir.Copy, ir.Text:
					changed = note(&in.A) || changed
				case ir.Mov:
					changed = is[in.Dst] && note(&in.A) || changed
				default:
					in.Uses(func(o *ir.Operand) { changed = note(o) || changed })
				}
			}
		}
	}
	return is
}
