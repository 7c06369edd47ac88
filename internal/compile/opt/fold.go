package opt

import (
	"math/bits"

	"ktrap/internal/compile/ir"
)

// fold replaces an instruction by a cheaper one that computes the same.
func fold(in *ir.Ins) {
	if in.Op > ir.Neg || in.Dst == 0 {
		return
	}
	if in.A.Kind == ir.Const && (in.B.Kind == ir.Const || in.Op == ir.Mov || in.Op == ir.Neg) {
		mov(in, ir.C(compute(in.Op, in.Wide, in.A.Imm, in.B.Imm)))
		return
	}
	if in.A.Kind == ir.Const && commutes(in.Op) {
		in.A, in.B = in.B, in.A
	}
	if in.B.Kind == ir.Const {
		foldConstant(in, in.B.Imm)
	}
}

func commutes(op ir.Op) bool {
	switch op {
	case ir.Add, ir.Mul, ir.And, ir.Or, ir.Xor:
		return true
	}
	return false
}

// mov makes in a move of all 64 bits; of a 32-bit operation's operand both halves
// are as they should be.
func mov(in *ir.Ins, from ir.Operand) {
	*in = ir.Ins{Op: ir.Mov, Wide: true, Dst: in.Dst, A: from, Pos: in.Pos}
}

// foldConstant folds x op c. The result is x itself only where x, as an operand
// of 32 bits, has no upper half: Wide says so of both.
func foldConstant(in *ir.Ins, c int64) {
	all := int64(-1)
	if !in.Wide {
		all = 1<<32 - 1
	}
	switch {
	case c == 0 && (in.Op == ir.Mul || in.Op == ir.And), c == 1 && in.Op == ir.Mod, c == 0 && in.Op == ir.Div:
		mov(in, ir.C(0))
	case c == 0 && in.Op != ir.Mod, c == 1 && (in.Op == ir.Mul || in.Op == ir.Div), c == all && in.Op == ir.And, c == 0:
		in.Op, in.B = ir.Mov, ir.Operand{}
	case in.Op == ir.Sub:
		in.Op, in.B = ir.Add, ir.C(-c)
		if !in.Wide {
			in.B = ir.C(int64(uint32(-c)))
		}
	case c > 0 && c&(c-1) == 0:
		power(in, c)
	}
}

// power turns multiplication and division by a power of two into shifts.
func power(in *ir.Ins, c int64) {
	shift := ir.C(int64(bits.TrailingZeros64(uint64(c))))
	switch in.Op {
	case ir.Mul:
		in.Op, in.B = ir.Shl, shift
	case ir.Div:
		in.Op, in.B = ir.Shr, shift
	case ir.Mod:
		in.Op, in.B = ir.And, ir.C(c-1)
	}
}

// compute is what BPF computes.
func compute(op ir.Op, wide bool, x, y int64) int64 {
	if !wide {
		return int64(uint32(compute32(op, uint32(x), uint32(y))))
	}
	switch op {
	case ir.Mov:
		return x
	case ir.Shl:
		return x << (y & 63)
	case ir.Shr:
		return int64(uint64(x) >> (y & 63))
	case ir.Sar:
		return x >> (y & 63)
	case ir.Div:
		if y == 0 {
			return 0
		}
		return int64(uint64(x) / uint64(y))
	case ir.Mod:
		if y == 0 {
			return x
		}
		return int64(uint64(x) % uint64(y))
	}
	return simple(op, x, y)
}

func compute32(op ir.Op, x, y uint32) uint32 {
	switch op {
	case ir.Mov:
		return x
	case ir.Shl:
		return x << (y & 31)
	case ir.Shr:
		return x >> (y & 31)
	case ir.Sar:
		return uint32(int32(x) >> (y & 31))
	case ir.Div:
		if y == 0 {
			return 0
		}
		return x / y
	case ir.Mod:
		if y == 0 {
			return x
		}
		return x % y
	}
	return uint32(simple(op, int64(x), int64(y)))
}

// simple are the operations whose low bits depend on low bits only.
func simple(op ir.Op, x, y int64) int64 {
	switch op {
	case ir.Add:
		return x + y
	case ir.Sub:
		return x - y
	case ir.Mul:
		return x * y
	case ir.And:
		return x & y
	case ir.Or:
		return x | y
	case ir.Xor:
		return x ^ y
	}
	return -x
}

// swapped is the condition with its operands exchanged.
var swapped = [...]ir.Cond{
	ir.Eq: ir.Eq, ir.Ne: ir.Ne, ir.Lt: ir.Gt, ir.Le: ir.Ge, ir.Gt: ir.Lt, ir.Ge: ir.Le,
	ir.SLt: ir.SGt, ir.SLe: ir.SGe, ir.SGt: ir.SLt, ir.SGe: ir.SLe, ir.Set: ir.Set,
}

func foldEnd(e *ir.End) {
	if e.Kind != ir.Branch {
		return
	}
	if e.A.Kind == ir.Const && e.B.Kind != ir.Const {
		e.A, e.B, e.Cond = e.B, e.A, swapped[e.Cond]
	}
	if e.A.Kind != ir.Const || e.B.Kind != ir.Const {
		return
	}
	to := e.To[1]
	if holds(e.Cond, e.Wide, e.A.Imm, e.B.Imm) {
		to = e.To[0]
	}
	*e = ir.End{Kind: ir.Jump, To: [2]*ir.Block{to}, Pos: e.Pos}
}

func holds(c ir.Cond, wide bool, x, y int64) bool {
	ux, uy := uint64(x), uint64(y)
	if !wide {
		ux, uy = uint64(uint32(x)), uint64(uint32(y))
		x, y = int64(int32(x)), int64(int32(y))
	}
	switch c {
	case ir.Eq:
		return x == y
	case ir.Ne:
		return x != y
	case ir.Lt:
		return ux < uy
	case ir.Le:
		return ux <= uy
	case ir.Gt:
		return ux > uy
	case ir.Ge:
		return ux >= uy
	case ir.SLt:
		return x < y
	case ir.SLe:
		return x <= y
	case ir.SGt:
		return x > y
	case ir.SGe:
		return x >= y
	}
	return ux&uy != 0
}
