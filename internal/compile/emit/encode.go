package emit

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/ir"
)

var aluOps = [...]asm.ALUOp{
	ir.Mov: asm.Mov, ir.Add: asm.Add, ir.Sub: asm.Sub, ir.Mul: asm.Mul, ir.And: asm.And, ir.Or: asm.Or,
	ir.Xor: asm.Xor, ir.Shl: asm.LSh, ir.Shr: asm.RSh, ir.Sar: asm.ArSh, ir.Div: asm.Div, ir.Mod: asm.Mod, ir.Neg: asm.Neg,
}

var sizes = [...]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 8: asm.DWord}

func (e *encoder) instruction(in *ir.Ins) {
	switch in.Op {
	case ir.Mov:
		e.move(in)
	case ir.Load:
		base, off := e.address(in)
		e.add(asm.LoadMem(e.regs[in.Dst], base, off, sizes[in.Size]))
	case ir.Store:
		e.store(in)
	case ir.Atomic:
		base, off := e.address(in)
		add := asm.StoreXAdd(base, e.regs[in.B.Reg], sizes[in.Size])
		add.Offset = off
		e.add(add)
	case ir.Vars:
		e.add(asm.LoadMapValue(e.regs[in.Dst], 0, uint32(in.Off)).WithReference(e.maps(0)))
	case ir.Call:
		e.arguments(in)
		e.add(asm.BuiltinFunc(in.Fn).Call())
		e.result(in)
	case ir.Kfunc:
		e.arguments(in)
		e.add(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: int64(in.Fn)})
		e.result(in)
	default:
		e.alu(in)
	}
}

// address is the machine's address of a load or store.
func (e *encoder) address(in *ir.Ins) (asm.Register, int16) {
	if in.A.Kind == ir.Frame {
		return asm.RFP, int16(e.slots[in.A.Index] + in.A.Imm + int64(in.Off))
	}
	return e.regs[in.A.Reg], int16(in.Off)
}

func (e *encoder) store(in *ir.Ins) {
	base, off := e.address(in)
	if in.B.Kind == ir.Value {
		e.add(asm.StoreMem(base, off, e.regs[in.B.Reg], sizes[in.Size]))
		return
	}
	// The library's StoreImm refuses 8 bytes.
	e.add(asm.Instruction{
		OpCode: asm.OpCode(asm.StClass).SetMode(asm.MemMode).SetSize(sizes[in.Size]),
		Dst:    base, Offset: off, Constant: int64(int32(in.B.Imm)),
	})
}

func (e *encoder) move(in *ir.Ins) {
	dst := e.regs[in.Dst]
	if in.A.Kind == ir.Value {
		src := e.regs[in.A.Reg]
		switch {
		case !in.Wide:
			e.add(asm.Mov.Reg32(dst, src))
		case src != dst:
			e.add(asm.Mov.Reg(dst, src))
		}
		return
	}
	e.put(dst, in.A)
}

// put makes dst an operand that is not in a register.
func (e *encoder) put(dst asm.Register, o ir.Operand) {
	switch o.Kind {
	case ir.Const:
		switch v := o.Imm; {
		case int64(int32(v)) == v:
			e.add(asm.Mov.Imm(dst, int32(v)))
		case uint64(v) < 1<<32:
			e.add(asm.Mov.Imm32(dst, int32(v)))
		default:
			e.add(asm.LoadImm(dst, v, asm.DWord))
		}
	case ir.Frame:
		e.add(asm.Mov.Reg(dst, asm.RFP))
		e.add(asm.Add.Imm(dst, int32(e.slots[o.Index]+o.Imm)))
	case ir.Map:
		e.add(asm.LoadMapPtr(dst, 0).WithReference(e.maps(o.Index)))
	}
}

// alu makes BPF's two-address form of Dst = A op B.
func (e *encoder) alu(in *ir.Ins) {
	op, dst := aluOps[in.Op], e.regs[in.Dst]
	a, b := in.A, in.B
	if b.Kind == ir.Value && e.regs[b.Reg] == dst && !(a.Kind == ir.Value && e.regs[a.Reg] == dst) {
		a, b = b, a // the allocator keeps apart what does not commute
	}
	if a.Kind != ir.Value {
		e.put(dst, a)
	} else if src := e.regs[a.Reg]; src != dst {
		e.add(asm.Mov.Reg(dst, src))
	}
	switch {
	case b.Kind == ir.Value && in.Wide:
		e.add(op.Reg(dst, e.regs[b.Reg]))
	case b.Kind == ir.Value:
		e.add(op.Reg32(dst, e.regs[b.Reg]))
	case in.Wide:
		e.add(op.Imm(dst, int32(b.Imm)))
	default:
		e.add(op.Imm32(dst, int32(b.Imm)))
	}
}

// arguments moves a call's arguments into place, all at once: no move may destroy
// what another one still needs. r0 is free to break a circle.
func (e *encoder) arguments(in *ir.Ins) {
	var from [6]asm.Register // by argument register; 0 where none is to be moved
	var waits [6]bool
	for i, o := range in.Args {
		if dst := asm.R1 + asm.Register(i); o.Kind == ir.Value && e.regs[o.Reg] != dst {
			from[dst], waits[dst] = e.regs[o.Reg], true
		}
	}
	for {
		moved, left := false, asm.Register(0)
		for dst := asm.R1; dst <= asm.R5; dst++ {
			if !waits[dst] {
				continue
			}
			left = dst
			if !needed(&from, &waits, dst) {
				e.add(asm.Mov.Reg(dst, from[dst]))
				waits[dst], moved = false, true
			}
		}
		if left == 0 {
			break
		}
		if !moved { // only circles are left
			e.add(asm.Mov.Reg(asm.R0, left))
			for dst := asm.R1; dst <= asm.R5; dst++ {
				if waits[dst] && from[dst] == left {
					from[dst] = asm.R0
				}
			}
		}
	}
	for i, o := range in.Args {
		if o.Kind != ir.Value {
			e.put(asm.R1+asm.Register(i), o)
		}
	}
}

// needed reports whether a move that waits takes what r holds.
func needed(from *[6]asm.Register, waits *[6]bool, r asm.Register) bool {
	for dst := asm.R1; dst <= asm.R5; dst++ {
		if waits[dst] && dst != r && from[dst] == r {
			return true
		}
	}
	return false
}

func (e *encoder) result(in *ir.Ins) {
	if dst := e.regs[in.Dst]; in.Dst != 0 && dst != asm.R0 && dst != none {
		e.add(asm.Mov.Reg(dst, asm.R0))
	}
}
