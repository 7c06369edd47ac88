package build

import (
	"go/constant"
	"go/types"

	"ktrap/internal/compile/ir"
)

// A number is how a scalar type is kept in a register.
type number struct {
	bits   int // 8, 16, 32 or 64
	signed bool
}

func (n number) wide() bool { return n.bits == 64 }

var word64 = number{bits: 64}

// scalar is the number of a type whose values fit a register.
func scalar(t types.Type) (number, bool) {
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return word64, true
	case *types.Basic:
		n, ok := numbers[u.Kind()]
		return n, ok
	}
	return number{}, false
}

var numbers = map[types.BasicKind]number{
	types.Bool: {bits: 8}, types.UntypedBool: {bits: 8},
	types.Int8: {8, true}, types.Int16: {16, true}, types.Int32: {32, true}, types.Int64: {64, true},
	types.Uint8: {bits: 8}, types.Uint16: {bits: 16}, types.Uint32: {bits: 32}, types.Uint64: word64,
	types.Int: {64, true}, types.Uint: word64, types.Uintptr: word64, types.UnsafePointer: word64,
	types.UntypedNil: word64, types.UntypedInt: {64, true}, types.UntypedRune: {32, true},
}

// canonical is how a register holds v: see package ir.
func (n number) canonical(v int64) int64 {
	switch {
	case n.wide():
		return v
	case n.signed:
		shift := 64 - n.bits
		return int64(uint32(v << shift >> shift))
	}
	return v & (1<<n.bits - 1)
}

// constant is a constant's operand.
func (n number) constant(v constant.Value) ir.Operand {
	if v.Kind() == constant.Bool {
		return ir.C(int64(btoi(constant.BoolVal(v))))
	}
	return ir.C(n.canonical(word(v)))
}

// narrow makes the low bits of x a value of n.
func (b *builder) narrow(x ir.Operand, n number) ir.Operand {
	switch {
	case x.Kind == ir.Const:
		return ir.C(n.canonical(x.Imm))
	case n.wide():
		return x
	case n.bits == 32:
		return b.op(ir.Mov, false, x, ir.Operand{})
	case n.signed:
		shift := ir.C(int64(32 - n.bits))
		return b.op(ir.Sar, false, b.op(ir.Shl, false, x, shift), shift)
	}
	return b.op(ir.And, false, x, ir.C(1<<n.bits-1))
}

// convert makes a value of from one of to.
func (b *builder) convert(x ir.Operand, from, to number) ir.Operand {
	switch {
	case x.Kind == ir.Const:
		if !from.wide() && from.signed {
			return ir.C(to.canonical(int64(int32(x.Imm))))
		}
		return ir.C(to.canonical(x.Imm))
	case to.wide() && from.wide(), to.wide() && !from.signed:
		return x
	case to.wide():
		return b.op(ir.Sar, true, b.op(ir.Shl, true, x, ir.C(32)), ir.C(32))
	case from.wide():
		return b.narrow(x, to)
	case to.bits == 32 && from.bits <= 32:
		return x // both canonical forms agree in 32 bits
	case to.bits > from.bits && (to.signed || !from.signed), to == from:
		return x
	}
	return b.narrow(x, to)
}
