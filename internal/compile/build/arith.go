package build

import (
	"go/token"

	"ktrap/internal/compile/ir"
)

var ops = map[token.Token]ir.Op{
	token.ADD: ir.Add, token.SUB: ir.Sub, token.MUL: ir.Mul,
	token.AND: ir.And, token.OR: ir.Or, token.XOR: ir.Xor, token.AND_NOT: ir.And,
}

// arith computes x op y; both are values of n. For shifts see shift.
func (b *builder) arith(op token.Token, n number, x, y ir.Operand) ir.Operand {
	switch op {
	case token.QUO:
		return b.divide(ir.Div, n, x, y)
	case token.REM:
		return b.divide(ir.Mod, n, x, y)
	case token.AND_NOT:
		y = b.op(ir.Xor, n.wide(), y, ir.C(n.mask()))
	}
	r := b.op(ops[op], n.wide(), x, y)
	switch op {
	case token.AND, token.OR, token.XOR, token.AND_NOT:
		return r // canonical if its operands are
	}
	if n.bits < 32 {
		return b.narrow(r, n)
	}
	return r
}

// mask has all bits of a canonical value set: -1, or 0xffff for a uint16.
func (n number) mask() int64 { return n.canonical(-1) }

// divide is unsigned division of absolute values, for BPF has no other before
// 6.6 (ec0e2da95f72): s is all ones where the sign must be turned, and
// (v ^ s) - s turns it.
func (b *builder) divide(op ir.Op, n number, x, y ir.Operand) ir.Operand {
	wide := n.wide()
	if !n.signed {
		return b.op(op, wide, x, y)
	}
	sx := b.sign(x, n)
	sy := b.sign(y, n)
	r := b.op(op, wide, b.turn(x, sx, wide), b.turn(y, sy, wide))
	if op == ir.Div {
		sx = b.op(ir.Xor, wide, sx, sy)
	}
	r = b.turn(r, sx, wide)
	if n.bits < 32 {
		return b.narrow(r, n) // -128 / -1
	}
	return r
}

// sign is all ones if x is below zero, else zero.
func (b *builder) sign(x ir.Operand, n number) ir.Operand {
	width := 32
	if n.wide() {
		width = 64
	}
	if x.Kind == ir.Const {
		if n.wide() {
			return ir.C(x.Imm >> 63)
		}
		return ir.C(int64(uint32(int32(x.Imm) >> 31)))
	}
	return b.op(ir.Sar, n.wide(), x, ir.C(int64(width-1)))
}

// turn negates x where s is all ones.
func (b *builder) turn(x, s ir.Operand, wide bool) ir.Operand {
	if s.Is(0) {
		return x
	}
	return b.op(ir.Sub, wide, b.op(ir.Xor, wide, x, s), s)
}

// shift computes x << y or x >> y as Go has it: y is any unsigned number, and
// a shift by the width or more leaves nothing, or the sign.
func (b *builder) shift(op token.Token, n number, x, y ir.Operand, by number) ir.Operand {
	code := ir.Shl
	if op == token.SHR {
		code = ir.Shr
		if n.signed {
			code = ir.Sar
		}
	}
	if y.Kind == ir.Const {
		return b.shiftBy(code, n, x, y.Imm)
	}
	result := b.reg()
	in, over, done := b.newBlock(), b.newBlock(), b.newBlock()
	b.branch(ir.Lt, by.wide(), y, ir.C(int64(n.bits)), in, over)
	b.start(over)
	b.move(result, b.shiftBy(code, n, x, int64(n.bits)))
	b.jump(done)
	b.start(in)
	r := b.op(code, n.wide(), x, y)
	if code == ir.Shl && n.bits < 32 {
		r = b.narrow(r, n)
	}
	b.move(result, r)
	b.jump(done)
	b.start(done)
	return ir.R(result)
}

// shiftBy shifts by a constant.
func (b *builder) shiftBy(code ir.Op, n number, x ir.Operand, by int64) ir.Operand {
	if by >= int64(n.bits) || by < 0 {
		if code != ir.Sar {
			return ir.C(0)
		}
		by = int64(n.bits - 1)
	}
	r := b.op(code, n.wide(), x, ir.C(by))
	if code == ir.Shl && n.bits < 32 {
		return b.narrow(r, n)
	}
	return r
}
