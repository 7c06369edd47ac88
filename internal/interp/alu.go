package interp

import (
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// operation is what an operation makes of two numbers.
type operation func(a, b uint64) uint64

// alu64 and alu32 are the operations as the instruction set has them: no fault
// at a zero divisor, shift counts cut to the width. alu32 gives 32 bits.
var alu64 = map[asm.ALUOp]operation{
	asm.Add:     func(a, b uint64) uint64 { return a + b },
	asm.Sub:     func(a, b uint64) uint64 { return a - b },
	asm.Mul:     func(a, b uint64) uint64 { return a * b },
	asm.Or:      func(a, b uint64) uint64 { return a | b },
	asm.And:     func(a, b uint64) uint64 { return a & b },
	asm.Xor:     func(a, b uint64) uint64 { return a ^ b },
	asm.Mov:     func(_, b uint64) uint64 { return b },
	asm.Neg:     func(a, _ uint64) uint64 { return -a },
	asm.LSh:     func(a, b uint64) uint64 { return a << (b & 63) },
	asm.RSh:     func(a, b uint64) uint64 { return a >> (b & 63) },
	asm.ArSh:    func(a, b uint64) uint64 { return uint64(int64(a) >> (b & 63)) },
	asm.MovSX8:  func(_, b uint64) uint64 { return uint64(int8(b)) },
	asm.MovSX16: func(_, b uint64) uint64 { return uint64(int16(b)) },
	asm.MovSX32: func(_, b uint64) uint64 { return uint64(int32(b)) },
	asm.Div:     div[uint64],
	asm.Mod:     mod[uint64],
	asm.SDiv:    div[int64],
	asm.SMod:    mod[int64],
}

var alu32 = map[asm.ALUOp]operation{
	asm.Add:     alu64[asm.Add],
	asm.Sub:     alu64[asm.Sub],
	asm.Mul:     alu64[asm.Mul],
	asm.Or:      alu64[asm.Or],
	asm.And:     alu64[asm.And],
	asm.Xor:     alu64[asm.Xor],
	asm.Mov:     alu64[asm.Mov],
	asm.Neg:     alu64[asm.Neg],
	asm.LSh:     func(a, b uint64) uint64 { return a << (b & 31) },
	asm.RSh:     func(a, b uint64) uint64 { return uint64(uint32(a) >> (b & 31)) },
	asm.ArSh:    func(a, b uint64) uint64 { return uint64(int32(a) >> (b & 31)) },
	asm.MovSX8:  alu64[asm.MovSX8],
	asm.MovSX16: alu64[asm.MovSX16],
	asm.Div:     div[uint32],
	asm.Mod:     mod[uint32],
	asm.SDiv:    div[int32],
	asm.SMod:    mod[int32],
}

type integer interface {
	int32 | int64 | uint32 | uint64
}

func div[T integer](a, b uint64) uint64 {
	if T(b) == 0 {
		return 0
	}
	return uint64(T(a) / T(b)) // the smallest number by -1 wraps, as the kernel has it since 6.12 (7dd34d7b7dcf)
}

func mod[T integer](a, b uint64) uint64 {
	if T(b) == 0 {
		return uint64(T(a))
	}
	return uint64(T(a) % T(b))
}

// swaps are the byte swaps and cuts by width in bits.
var swaps = map[int64]operation{
	16: func(a, _ uint64) uint64 { return uint64(bits.ReverseBytes16(uint16(a))) },
	32: func(a, _ uint64) uint64 { return uint64(bits.ReverseBytes32(uint32(a))) },
	64: func(a, _ uint64) uint64 { return bits.ReverseBytes64(a) },
}

var cuts = map[int64]operation{
	16: func(a, _ uint64) uint64 { return uint64(uint16(a)) },
	32: func(a, _ uint64) uint64 { return uint64(uint32(a)) },
	64: func(a, _ uint64) uint64 { return a },
}

func alu64Imm(r *run, in *inst) {
	if d := &r.regs[in.dst]; d.kind == scalar {
		d.bits = in.alu(d.bits, in.imm)
		return
	}
	r.arithmetic(in, number(in.imm))
}

func alu64Reg(r *run, in *inst) {
	d, s := &r.regs[in.dst], &r.regs[in.src]
	if d.kind == scalar && s.kind == scalar {
		d.bits = in.alu(d.bits, s.bits)
		return
	}
	r.arithmetic(in, r.read(in.src))
}

func alu32Imm(r *run, in *inst) {
	if d := &r.regs[in.dst]; d.kind == scalar {
		d.bits = uint64(uint32(in.alu(d.bits, in.imm)))
		return
	}
	r.narrow(in, number(in.imm))
}

func alu32Reg(r *run, in *inst) {
	d, s := &r.regs[in.dst], &r.regs[in.src]
	if d.kind == scalar && s.kind == scalar {
		d.bits = uint64(uint32(in.alu(d.bits, s.bits)))
		return
	}
	r.narrow(in, r.read(in.src))
}

func movImm(r *run, in *inst) { r.regs[in.dst] = number(in.imm) }

func movReg(r *run, in *inst) { r.regs[in.dst] = r.read(in.src) }

// mov32 of a pointer leaves a number: the verifier lets privileged programs.
func mov32(r *run, in *inst) { r.regs[in.dst] = number(uint64(uint32(r.read(in.src).bits))) }

// extend is a sign-extending move.
func extend(r *run, in *inst) {
	s := r.read(in.src).plain()
	if s.kind != scalar {
		r.fault(diag.VerifierPointer, "R%d is %s and is cut", in.src, s.kind)
		return
	}
	r.regs[in.dst] = number(in.alu(0, s.bits))
}

func extend32(r *run, in *inst) {
	extend(r, in)
	r.regs[in.dst].bits = uint64(uint32(r.regs[in.dst].bits))
}

// arithmetic is an operation of which one side is no number.
func (r *run) arithmetic(in *inst, s value) {
	d := r.read(in.dst)
	if r.stopped {
		return
	}
	if isNumber(d) && isNumber(s) {
		r.regs[in.dst] = value{kind: in.kindOf(d), bits: in.alu(d.bits, s.bits)}
		return
	}
	base, by := d, s.plain()
	if in.op == asm.Add && isNumber(d) {
		base, by = s, d.plain()
	}
	switch {
	case in.op == asm.Sub && d.kind != scalar && s.kind != scalar && d.kind != maybe && s.kind != maybe:
		r.regs[in.dst] = number(d.bits - s.bits)
	case in.op != asm.Add && in.op != asm.Sub:
		r.fault(diag.VerifierPointer, "%v of %s and %s", in.op, d.kind, s.kind)
	case by.kind != scalar || base.kind == scalar:
		r.fault(diag.VerifierPointer, "%v of %s and %s", in.op, d.kind, s.kind)
	case base.kind == maybe:
		r.fault(diag.VerifierNull, "arithmetic on a pointer that was not compared with nil")
	case base.kind == mapping:
		r.fault(diag.VerifierPointer, "arithmetic on a map")
	default:
		base.bits = in.alu(base.bits, by.bits)
		r.regs[in.dst] = base
	}
}

func isNumber(v value) bool { return v.kind == scalar || v.kind == word }

// kindOf is what a number becomes: a word of the kernel that may be an address is
// still one when it was moved.
func (in *inst) kindOf(d value) kind {
	if in.op == asm.Add || in.op == asm.Sub {
		return d.kind
	}
	return scalar
}

// narrow is a 32-bit operation of which one side is no number.
func (r *run) narrow(in *inst, s value) {
	d := r.read(in.dst)
	switch {
	case r.stopped:
	case isNumber(d) && isNumber(s):
		r.regs[in.dst] = number(uint64(uint32(in.alu(d.bits, s.bits))))
	default:
		r.fault(diag.VerifierPointer, "32-bit %v of %s and %s", in.op, d.kind, s.kind)
	}
}
