package build

import (
	"go/ast"
	"go/token"
	"go/types"

	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
)

// expr computes a scalar. A mistake is noted, and zero stands for the value.
func (b *builder) expr(e ast.Expr) ir.Operand {
	tv := b.Info.Types[e]
	if n, ok := scalar(tv.Type); ok && tv.Value != nil {
		return n.constant(tv.Value)
	} else if ok && tv.IsNil() {
		return ir.C(0)
	}
	switch e := e.(type) {
	case *ast.ParenExpr:
		return b.expr(e.X)
	case *ast.BinaryExpr:
		return b.binary(e)
	case *ast.UnaryExpr:
		return b.unary(e)
	case *ast.CallExpr:
		return b.callExpr(e)
	}
	if p, ok := b.place(e); ok {
		return b.scalarOf(e, p)
	}
	b.fail(e, diag.NotGoHere, "", "this expression has no meaning in a handler")
	return ir.C(0)
}

// scalarOf loads a place that must be a scalar.
func (b *builder) scalarOf(e ast.Expr, p place) ir.Operand {
	if _, ok := scalar(p.typ); !ok {
		if !b.isWord(p.typ, "stack") {
			b.fail(e, diag.NotGoHere, "", "a value of type %s can't be used here", b.TypeString(p.typ))
			return ir.C(0)
		}
		p.typ = types.Typ[types.Int64]
	}
	return b.load(p)
}

func (b *builder) binary(e *ast.BinaryExpr) ir.Operand {
	b.pos = e.OpPos
	switch e.Op {
	case token.LAND, token.LOR, token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
		return b.truth(e)
	}
	n, ok := scalar(b.typeOf(e))
	if !ok {
		b.fail(e, diag.StringOp, "emit the parts one by one", "a handler builds no strings")
		return ir.C(0)
	}
	x, y := b.expr(e.X), b.expr(e.Y)
	b.pos = e.OpPos
	if e.Op == token.SHL || e.Op == token.SHR {
		by, _ := scalar(b.typeOf(e.Y))
		return b.shift(e.Op, n, x, y, by)
	}
	return b.arith(e.Op, n, x, y)
}

func (b *builder) unary(e *ast.UnaryExpr) ir.Operand {
	b.pos = e.OpPos
	switch e.Op {
	case token.NOT:
		return b.op(ir.Xor, false, b.expr(e.X), ir.C(1))
	case token.AND:
		return b.address(e)
	}
	n, ok := scalar(b.typeOf(e))
	if !ok {
		b.fail(e, diag.NotGoHere, "", "%s has no meaning here", e.Op)
		return ir.C(0)
	}
	x := b.expr(e.X)
	switch e.Op {
	case token.SUB:
		x = b.op(ir.Neg, n.wide(), x, ir.Operand{})
		if n.bits < 32 {
			x = b.narrow(x, n)
		}
	case token.XOR:
		x = b.op(ir.Xor, n.wide(), x, ir.C(n.mask()))
	}
	return x
}

// address is &x: of the kernel's memory only.
func (b *builder) address(e *ast.UnaryExpr) ir.Operand {
	p, ok := b.place(e.X)
	switch {
	case !ok:
		return ir.C(0)
	case p.bits != 0:
		b.fail(e, diag.Bitfield, "", "a bitfield has no address")
	case p.space == inReg || p.space == inOwn:
		b.fail(e, diag.AddressOf, "", "a handler's own variables have no address")
	case p.off == 0:
		return p.base
	default:
		return b.op(ir.Add, true, b.plain(p.base), ir.C(int64(p.off)))
	}
	return ir.C(0)
}

// truth makes 0 or 1 of a condition.
func (b *builder) truth(e ast.Expr) ir.Operand {
	yes, no, done := b.newBlock(), b.newBlock(), b.newBlock()
	r := b.reg()
	b.cond(e, yes, no)
	b.start(yes)
	b.move(r, ir.C(1))
	b.jump(done)
	b.start(no)
	b.move(r, ir.C(0))
	b.jump(done)
	b.start(done)
	return ir.R(r)
}

// cond goes to yes if e is true, else to no.
func (b *builder) cond(e ast.Expr, yes, no *ir.Block) {
	e = ast.Unparen(e)
	if tv := b.Info.Types[e]; tv.Value == nil {
		switch x := e.(type) {
		case *ast.UnaryExpr:
			if x.Op == token.NOT {
				b.cond(x.X, no, yes)
				return
			}
		case *ast.BinaryExpr:
			if b.junction(x, yes, no) || b.compare(x, yes, no) {
				return
			}
		}
	}
	b.branch(ir.Ne, false, b.expr(e), ir.C(0), yes, no)
}

// junction writes && and ||.
func (b *builder) junction(e *ast.BinaryExpr, yes, no *ir.Block) bool {
	right := b.newBlock()
	switch e.Op {
	case token.LAND:
		b.cond(e.X, right, no)
	case token.LOR:
		b.cond(e.X, yes, right)
	default:
		return false
	}
	b.start(right)
	b.cond(e.Y, yes, no)
	return true
}

var conds = map[token.Token]ir.Cond{
	token.EQL: ir.Eq, token.NEQ: ir.Ne, token.LSS: ir.Lt, token.LEQ: ir.Le, token.GTR: ir.Gt, token.GEQ: ir.Ge,
}

// signedConds turn an unsigned comparison into a signed one.
const signedConds = ir.SLt - ir.Lt

func (b *builder) compare(e *ast.BinaryExpr, yes, no *ir.Block) bool {
	cond, ok := conds[e.Op]
	if !ok {
		return false
	}
	t := b.typeOf(e.X)
	if b.Info.Types[e.X].IsNil() {
		t = b.typeOf(e.Y)
	}
	n, ok := scalar(t)
	if !ok {
		b.compareMemory(e, yes, no)
		return true
	}
	x, y := b.expr(e.X), b.expr(e.Y)
	b.pos = e.OpPos
	b.branch(n.cond(cond), n.wide(), x, y, yes, no)
	return true
}

func (n number) cond(c ir.Cond) ir.Cond {
	if n.signed && c >= ir.Lt {
		return c + signedConds
	}
	return c
}
