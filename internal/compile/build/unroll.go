package build

import (
	"go/ast"
	"go/token"
	"go/types"
	"math"

	"ktrap/internal/compile/ir"
)

// An array of a function is on the stack, where every element needs an address that
// is a constant (until 5.12: 01f810ace9ed). So a loop of known turns whose variable
// is part of such an array's index is written once for each turn, with the variable
// a constant.

// maxUnrolled is the most turns of a loop that are written one by one.
const maxUnrolled = 32

// forUnrolled writes a loop turn by turn, if an array of the function needs it.
func (b *builder) forUnrolled(s *ast.ForStmt, label string, turns int64) bool {
	v, _ := b.counter(s)
	if !b.indexesFrame(s.Body, v) {
		return false
	}
	from, _ := b.initial(s, v)
	step, _ := b.step(s.Post, v)
	done := b.newBlock()
	for i := range turns {
		body := b.newBlock()
		b.cond(s.Cond, body, done)
		b.start(body)
		b.writeTurn(s.Body, &loop{label: label, done: done, next: b.newBlock()}, v, from+i*step)
		b.stmt(s.Post)
	}
	b.jump(done)
	b.start(done)
	return true
}

// eachTurn writes the body of a range loop for each of its turns.
func (b *builder) eachTurn(s *ast.RangeStmt, label string, turns int64, array place) {
	key, done := b.rangeKey(s), b.newBlock()
	for i := range turns {
		if s.Key != nil {
			at := b.reg()
			b.move(at, ir.C(i))
			b.assignValue(s.Key, place{space: inReg, typ: b.typeOf(s.Key), reg: at})
		}
		if s.Value != nil {
			b.assignValue(s.Value, b.elementAt(array, arrayOf(array.typ), i))
		}
		b.writeTurn(s.Body, &loop{label: label, done: done, next: b.newBlock()}, key, i)
	}
	b.jump(done)
	b.start(done)
}

// writeTurn writes a loop's body with v, if there is one, known to be i.
func (b *builder) writeTurn(body *ast.BlockStmt, l *loop, v types.Object, i int64) {
	if v != nil {
		b.inTurn[v] = i
		defer delete(b.inTurn, v)
	}
	b.loopBody(l, body)
}

// rangeKey is the variable that counts a range loop's turns, if nothing else
// changes it.
func (b *builder) rangeKey(s *ast.RangeStmt) types.Object {
	id, ok := s.Key.(*ast.Ident)
	if !ok || s.Tok != token.DEFINE || b.assigned(s.Body, b.Info.ObjectOf(id)) {
		return nil
	}
	return b.Info.ObjectOf(id)
}

// indexesFrame reports whether v is part of the index of an array of the function.
func (b *builder) indexesFrame(body ast.Node, v types.Object) (found bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		e, ok := n.(*ast.IndexExpr)
		found = found || v != nil && ok && b.inFrame(e.X) && b.mentions(e.Index, v)
		return !found
	})
	return found
}

// inFrame reports whether an array or text is a variable of the function, or in one.
func (b *builder) inFrame(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.IndexExpr:
		return b.inFrame(e.X)
	case *ast.SelectorExpr:
		return !isPointer(b.typeOf(e.X)) && b.inFrame(e.X)
	case *ast.Ident:
		v, ok := b.Info.ObjectOf(e).(*types.Var)
		if !ok {
			return false
		}
		_, ofFile := b.Shared.vars[v]
		return !ofFile && !isPointer(v.Type())
	}
	return false
}

func (b *builder) mentions(e ast.Expr, v types.Object) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		found = found || ok && b.Info.ObjectOf(id) == v
		return !found
	})
	return found
}

// folded is an index that is a constant, or one in this turn of a loop.
func (b *builder) folded(e ast.Expr) (int64, bool) {
	if v, ok := b.constant(e); ok {
		return v, true
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		v, ok := b.inTurn[b.Info.ObjectOf(e)]
		return v, ok
	case *ast.BinaryExpr:
		x, ok1 := b.folded(e.X)
		y, ok2 := b.folded(e.Y)
		n, ok3 := scalar(b.typeOf(e))
		v, ok4 := fold(e.Op, x, y)
		return v, ok1 && ok2 && ok3 && ok4 && n.back(v) == v
	}
	return 0, false
}

// fold computes what indices are made of; numbers as small as turns can't overflow.
func fold(op token.Token, x, y int64) (int64, bool) {
	switch {
	case max(x, y) > math.MaxInt32 || min(x, y) < math.MinInt32:
	case op == token.ADD:
		return x + y, true
	case op == token.SUB:
		return x - y, true
	case op == token.MUL:
		return x * y, true
	case op == token.AND:
		return x & y, true
	case op == token.QUO && y != 0:
		return x / y, true
	case op == token.REM && y != 0:
		return x % y, true
	}
	return 0, false
}
