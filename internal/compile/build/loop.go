package build

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"math/bits"
	"slices"

	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
)

// A loop is what break and continue refer to; a switch has no next.
type loop struct {
	label      string
	done, next *ir.Block
	fall       *ir.Block // where fallthrough leads
}

// Turns that a loop makes at most.
const (
	maxTurns = 1 << 14 // of a constant number; the verifier walks through each
	cut      = 128     // where nobody knows how many
)

func (b *builder) top() *frame { return b.calls[len(b.calls)-1] }

func (b *builder) push(l *loop) { b.top().loops = append(b.top().loops, l) }
func (b *builder) pop()         { b.top().loops = b.top().loops[:len(b.top().loops)-1] }

func (b *builder) leave(s *ast.BranchStmt) {
	loops := b.top().loops
	for i := len(loops) - 1; i >= 0; i-- {
		l := loops[i]
		if s.Label != nil && s.Label.Name != l.label {
			continue
		}
		switch s.Tok {
		case token.BREAK:
			b.jump(l.done)
			return
		case token.FALLTHROUGH:
			b.jump(l.fall)
			return
		}
		if l.next != nil {
			b.jump(l.next)
			return
		}
	}
	b.fail(s, diag.NotGoHere, "", "%s leads nowhere", s.Tok)
}

func (b *builder) forLoop(s *ast.ForStmt, label string) {
	if s.Init != nil {
		b.stmt(s.Init)
	}
	turns, known := b.turns(s, s.Cond)
	if known && turns <= maxUnrolled && b.forUnrolled(s, label, turns) {
		return
	}
	head, body := b.newBlock(), b.newBlock()
	l := &loop{label: label, done: b.newBlock(), next: b.newBlock()}
	if known && turns > maxTurns && s.Init == nil {
		known = false
	}
	if known && turns > maxTurns {
		b.fail(s, diag.LoopBound, "the verifier walks through every turn", "a loop of %d turns is longer than %d", turns, maxTurns)
	}
	limit := b.limit(known)
	b.jump(head)
	b.start(head)
	if !known {
		b.count(limit, l.done)
	}
	if s.Cond != nil {
		b.cond(s.Cond, body, l.done)
	} else {
		b.jump(body)
	}
	b.start(body)
	if v, bound := b.below(s, known); v != nil {
		b.bounds[v] = bound
		defer delete(b.bounds, v)
	}
	b.loopBody(l, s.Body)
	if s.Post != nil {
		b.stmt(s.Post)
	}
	b.jump(head)
	b.start(l.done)
}

// limit is the register that counts the turns of a loop that may be endless.
func (b *builder) limit(known bool) ir.Reg {
	if known {
		return 0
	}
	r := b.reg()
	b.move(r, ir.C(0))
	return r
}

// count leaves the loop when it has had its turns.
func (b *builder) count(limit ir.Reg, done *ir.Block) {
	on := b.newBlock()
	b.branch(ir.Lt, true, ir.R(limit), ir.C(cut), on, done)
	b.start(on)
	b.add(ir.Ins{Op: ir.Add, Wide: true, Dst: limit, A: ir.R(limit), B: ir.C(1)})
}

// turns counts those of `for i := C; i < C; i += C` whose body leaves i alone; a
// further condition behind && may only end it sooner.
func (b *builder) turns(s *ast.ForStmt, e ast.Expr) (n int64, known bool) {
	cond, ok := e.(*ast.BinaryExpr)
	if !ok {
		return 0, false
	}
	if cond.Op == token.LAND {
		if n, known = b.turns(s, ast.Unparen(cond.X)); known {
			return n, known
		}
		return b.turns(s, ast.Unparen(cond.Y))
	}
	id, ok := ast.Unparen(cond.X).(*ast.Ident)
	if !ok {
		return 0, false
	}
	v := b.Info.ObjectOf(id)
	from, ok1 := b.initial(s, v)
	to, ok2 := b.constant(cond.Y)
	step, ok3 := b.step(s.Post, v)
	if !ok1 || !ok2 || !ok3 || b.assigned(s.Body, v) || !b.fits(v, to, step) {
		return 0, false
	}
	return countTurns(cond.Op, from, to, step)
}

// fits reports whether a loop variable can pass its bound without wrapping.
func (b *builder) fits(v types.Object, to, step int64) bool {
	n, _ := scalar(v.Type())
	past := to + step
	if n.bits < 64 {
		past = to + 2*step
		return constant.Compare(constant.MakeInt64(past), token.EQL, constant.MakeInt64(n.back(past)))
	}
	return n.signed || past >= 0 && to >= 0
}

// back is v after it went through a register.
func (n number) back(v int64) int64 {
	c := n.canonical(v)
	if n.signed && !n.wide() {
		return int64(int32(c))
	}
	return c
}

func countTurns(op token.Token, from, to, step int64) (int64, bool) {
	switch op {
	case token.LEQ:
		to++
	case token.GEQ:
		to--
	}
	switch op {
	case token.LSS, token.LEQ:
		if step > 0 {
			return max(0, (to-from+step-1)/step), true
		}
	case token.GTR, token.GEQ:
		if step < 0 {
			return max(0, (from-to-step-1)/-step), true
		}
	}
	return 0, false
}

func (b *builder) constant(e ast.Expr) (int64, bool) {
	v := b.Info.Types[e].Value
	if v == nil || v.Kind() != constant.Int {
		return 0, false
	}
	return constant.Int64Val(v)
}

// initial is what a loop's variable begins with: said by the loop, or where it is
// declared, if nothing but the loop changes it then.
func (b *builder) initial(s *ast.ForStmt, v types.Object) (int64, bool) {
	if a, ok := s.Init.(*ast.AssignStmt); ok && a.Tok == token.DEFINE && len(a.Lhs) == 1 && b.Info.ObjectOf(a.Lhs[0].(*ast.Ident)) == v {
		return b.constant(a.Rhs[0])
	}
	h := b.history(v)
	local, _ := v.(*types.Var)
	if at, ok := b.vars[local]; !ok || at.space != inReg || h == nil || h.changes != 1 {
		return 0, false
	}
	if h.first == nil {
		return 0, true
	}
	return b.constant(h.first)
}

// below is the variable of a loop that counts up from zero or more, and the number
// that it stays below in the loop's body.
func (b *builder) below(s *ast.ForStmt, known bool) (v types.Object, bound int64) {
	if !known {
		return nil, 0
	}
	v, cond := b.counter(s)
	from, _ := b.initial(s, v)
	bound, _ = b.constant(cond.Y)
	switch {
	case from < 0:
		return nil, 0
	case cond.Op == token.LSS:
		return v, bound
	case cond.Op == token.LEQ:
		return v, bound + 1
	}
	return nil, 0
}

// counter is the variable of a loop whose turns are known, and its condition.
func (b *builder) counter(s *ast.ForStmt) (v types.Object, cond *ast.BinaryExpr) {
	cond = s.Cond.(*ast.BinaryExpr)
	for cond.Op == token.LAND {
		next := cond.X
		if _, known := b.turns(s, ast.Unparen(next)); !known {
			next = cond.Y
		}
		cond = ast.Unparen(next).(*ast.BinaryExpr)
	}
	return b.Info.ObjectOf(ast.Unparen(cond.X).(*ast.Ident)), cond
}

// inBounds reports whether an index is the variable of a loop that keeps it below n.
func (b *builder) inBounds(index ast.Expr, n int64) bool {
	id, ok := ast.Unparen(index).(*ast.Ident)
	if !ok {
		return false
	}
	bound, ok := b.bounds[b.Info.ObjectOf(id)]
	return ok && bound <= n
}

func (b *builder) step(s ast.Stmt, v types.Object) (int64, bool) {
	switch s := s.(type) {
	case *ast.IncDecStmt:
		if id, ok := s.X.(*ast.Ident); ok && b.Info.ObjectOf(id) == v {
			if s.Tok == token.DEC {
				return -1, true
			}
			return 1, true
		}
	case *ast.AssignStmt:
		id, ok := s.Lhs[0].(*ast.Ident)
		if !ok || b.Info.ObjectOf(id) != v || s.Tok != token.ADD_ASSIGN && s.Tok != token.SUB_ASSIGN {
			return 0, false
		}
		n, ok := b.constant(s.Rhs[0])
		if s.Tok == token.SUB_ASSIGN {
			n = -n
		}
		return n, ok && n > -1<<31 && n < 1<<31
	}
	return 0, false
}

// assigned reports whether v is assigned anywhere in body.
func (b *builder) assigned(body ast.Node, v types.Object) (found bool) {
	is := func(e ast.Expr) bool {
		id, ok := ast.Unparen(e).(*ast.Ident)
		return ok && b.Info.ObjectOf(id) == v
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				found = found || is(e)
			}
		case *ast.IncDecStmt:
			found = found || is(n.X)
		case *ast.RangeStmt:
			found = found || n.Key != nil && is(n.Key) || n.Value != nil && is(n.Value)
		}
		return !found
	})
	return found
}

// rangeLoop writes for i := range n and for i, v := range array.
func (b *builder) rangeLoop(s *ast.RangeStmt, label string) {
	var bound ir.Operand
	var array place
	n := number{64, true}
	known := true
	switch t := b.typeOf(s.X).Underlying().(type) {
	case *types.Array:
		p, ok := b.place(s.X)
		if !ok {
			b.fail(s.X, diag.NotGoHere, "", "this array can't be ranged over")
			return
		}
		if p.base.Kind == ir.Frame && s.Value != nil {
			b.unrolled(s, label, p, t)
			return
		}
		array, bound = p, ir.C(t.Len())
		known = t.Len() <= maxTurns
	case *types.Basic:
		if t.Info()&types.IsInteger == 0 {
			b.fail(s.X, diag.StringOp, "", "a string can't be ranged over")
			return
		}
		n, _ = scalar(t)
		bound = b.held(b.expr(s.X))
		known = bound.Kind == ir.Const && n.back(bound.Imm) <= maxTurns
	default:
		b.fail(s.X, diag.MapUse, "a map is read when the probe ends", "a handler can't range over a %s", b.TypeString(t))
		return
	}
	if turns := n.back(bound.Imm); known && turns <= maxUnrolled && b.indexesFrame(s.Body, b.rangeKey(s)) {
		b.eachTurn(s, label, turns, array)
		return
	}
	b.ranged(s, label, n, bound, array, known)
}

// unrolled writes for i, v := range array for one on the stack, where every element
// needs an address that is a constant (until 5.12: 01f810ace9ed).
func (b *builder) unrolled(s *ast.RangeStmt, label string, array place, t *types.Array) {
	if t.Len() > maxUnrolled {
		b.fail(s.X, diag.LoopBound, "declare the array as a variable of the file",
			"an array of a function is ranged over for %d elements at most", maxUnrolled)
		return
	}
	if id, ok := ast.Unparen(s.X).(*ast.Ident); ok && b.changes(s.Body, b.Info.ObjectOf(id)) {
		was := b.ownTemp(array.typ, array.size)
		b.copyPlace(s.X, array, was)
		array = was
	}
	b.eachTurn(s, label, t.Len(), array)
}

// loopBody writes a loop's body up to where the next turn begins.
func (b *builder) loopBody(l *loop, body *ast.BlockStmt) {
	b.push(l)
	b.stmt(body)
	b.pop()
	b.jump(l.next)
	b.start(l.next)
}

// changes reports whether a variable, or a part of it, is assigned in body.
func (b *builder) changes(body ast.Node, v types.Object) (found bool) {
	is := func(e ast.Expr) {
		for {
			switch x := ast.Unparen(e).(type) {
			case *ast.IndexExpr:
				e = x.X
				continue
			case *ast.SelectorExpr:
				e = x.X
				continue
			case *ast.Ident:
				found = found || b.Info.ObjectOf(x) == v
			}
			return
		}
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, e := range n.Lhs {
				is(e)
			}
		case *ast.IncDecStmt:
			is(n.X)
		case *ast.RangeStmt:
			is(n.Key)
			is(n.Value)
		}
		return !found
	})
	return found
}

// held copies a variable's register, which the body may assign.
func (b *builder) held(x ir.Operand) ir.Operand {
	if x.Kind != ir.Value {
		return x
	}
	r := b.reg()
	b.move(r, x)
	return ir.R(r)
}

func (b *builder) ranged(s *ast.RangeStmt, label string, n number, bound ir.Operand, array place, known bool) {
	at := b.reg()
	b.move(at, ir.C(0))
	limit := b.limit(known)
	head, body := b.newBlock(), b.newBlock()
	l := &loop{label: label, done: b.newBlock(), next: b.newBlock()}
	b.jump(head)
	b.start(head)
	if !known {
		b.count(limit, l.done)
	}
	b.branch(n.cond(ir.Lt), n.wide(), ir.R(at), bound, body, l.done)
	b.start(body)
	if s.Key != nil {
		b.assignValue(s.Key, place{space: inReg, typ: b.typeOf(s.Key), reg: at})
		if v := b.rangeKey(s); v != nil && known {
			b.bounds[v] = bound.Imm
			defer delete(b.bounds, v)
		}
	}
	if s.Value != nil {
		b.assignValue(s.Value, b.elementFrom(array, arrayOf(array.typ), at))
	}
	b.loopBody(l, s.Body)
	b.add(ir.Ins{Op: ir.Add, Wide: n.wide(), Dst: at, A: ir.R(at), B: ir.C(1)})
	b.jump(head)
	b.start(l.done)
}

func (b *builder) switchCase(s *ast.SwitchStmt, label string) {
	if s.Init != nil {
		b.stmt(s.Init)
	}
	var tag place
	if s.Tag != nil {
		tag = b.switched(s)
	}
	done := b.newBlock()
	bodies := make([]*ir.Block, len(s.Body.List)+1)
	for i := range bodies {
		bodies[i] = b.newBlock()
	}
	tests, otherwise := b.tests(s, bodies, done)
	for _, t := range tests {
		next := b.newBlock()
		b.matches(tag, t.e, t.yes, next)
		b.start(next)
	}
	b.jump(otherwise)
	for i, c := range s.Body.List {
		b.start(bodies[i])
		b.push(&loop{label: label, done: done, fall: bodies[i+1]})
		b.block(c.(*ast.CaseClause).Body)
		b.pop()
		b.jump(done)
	}
	b.start(done)
}

// A test leads to the body of a case.
type test struct {
	e   ast.Expr
	yes *ir.Block
}

// tests are a switch's, and where it goes on if none holds. Texts that one comparison
// tells come first, if all are constants: of these at most one holds.
func (b *builder) tests(s *ast.SwitchStmt, bodies []*ir.Block, done *ir.Block) (all []test, otherwise *ir.Block) {
	otherwise = done
	texts := true
	for i, c := range s.Body.List {
		clause := c.(*ast.CaseClause)
		if clause.List == nil {
			otherwise = bodies[i]
		}
		for _, e := range clause.List {
			all = append(all, test{e, bodies[i]})
			v := b.Info.Types[e].Value
			texts = texts && v != nil && v.Kind() == constant.String
		}
	}
	if texts && s.Tag != nil {
		words := func(t test) int {
			n := len(constant.StringVal(b.Info.Types[t.e].Value)) + 1
			return n/8 + bits.OnesCount(uint(n%8))
		}
		slices.SortStableFunc(all, func(x, y test) int { return words(x) - words(y) })
	}
	return all, otherwise
}

// switched is what a switch compares, once. Of a text that is compared with constants
// only, so much is read as tells which one it is.
func (b *builder) switched(s *ast.SwitchStmt) place {
	call, ok := ast.Unparen(s.Tag).(*ast.CallExpr)
	if !ok || b.word(call) != "str" {
		return b.tag(s.Tag)
	}
	longest := 0
	for _, c := range s.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			v := b.Info.Types[e].Value
			if v == nil {
				return b.tag(s.Tag)
			}
			longest = max(longest, len(constant.StringVal(v)))
		}
	}
	p := b.ownTemp(types.Typ[types.String], min((longest+2+7)&^7, b.bound(call)))
	b.textAt(call, p)
	p.size = -p.size // not filled up
	return p
}

// tag computes what is compared or assigned, once.
func (b *builder) tag(e ast.Expr) place {
	if _, ok := scalar(b.typeOf(e)); ok {
		r := b.f.NewReg(ir.Info{Struct: b.pointee(b.typeOf(e))})
		b.move(r, b.expr(e))
		return place{space: inReg, typ: b.typeOf(e), reg: r}
	}
	return b.value(e)
}

func (b *builder) matches(tag place, e ast.Expr, yes, no *ir.Block) {
	b.pos = e.Pos()
	if tag.typ == nil {
		b.cond(e, yes, no)
		return
	}
	if n, ok := scalar(tag.typ); ok {
		b.branch(ir.Eq, n.wide(), ir.R(tag.reg), b.expr(e), yes, no)
		return
	}
	b.equal(e, tag, e, yes, no)
}
