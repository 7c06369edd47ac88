package build

import (
	"go/ast"
	"go/token"
	"go/types"

	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
)

func (b *builder) block(list []ast.Stmt) {
	for _, s := range list {
		b.stmt(s)
	}
}

func (b *builder) stmt(s ast.Stmt) {
	b.pos = s.Pos()
	b.statement(s, "")
}

func (b *builder) statement(s ast.Stmt, label string) {
	switch s := s.(type) {
	case *ast.BlockStmt:
		b.block(s.List)
	case *ast.ExprStmt:
		b.effect(s.X)
	case *ast.AssignStmt:
		b.assignment(s)
	case *ast.IncDecStmt:
		op := token.ADD
		if s.Tok == token.DEC {
			op = token.SUB
		}
		b.update(s, s.X, op, nil)
	case *ast.DeclStmt:
		b.declare(s.Decl.(*ast.GenDecl))
	case *ast.IfStmt:
		b.ifElse(s)
	case *ast.ForStmt:
		b.forLoop(s, label)
	case *ast.RangeStmt:
		b.rangeLoop(s, label)
	case *ast.SwitchStmt:
		b.switchCase(s, label)
	case *ast.LabeledStmt:
		b.statement(s.Stmt, s.Label.Name)
	case *ast.BranchStmt:
		b.leave(s)
	case *ast.ReturnStmt:
		b.giveBack(s)
	case *ast.EmptyStmt:
	default:
		b.fail(s, diag.NotGoHere, "", "this statement has no meaning in a handler")
	}
}

func (b *builder) ifElse(s *ast.IfStmt) {
	if s.Init != nil {
		b.stmt(s.Init)
	}
	yes, no, done := b.newBlock(), b.newBlock(), b.newBlock()
	if s.Else == nil {
		no = done
	}
	b.cond(s.Cond, yes, no)
	b.start(yes)
	b.stmt(s.Body)
	b.jump(done)
	if s.Else != nil {
		b.start(no)
		b.stmt(s.Else)
		b.jump(done)
	}
	b.start(done)
}

// effect writes a call whose value nobody takes.
func (b *builder) effect(e ast.Expr) {
	call, ok := ast.Unparen(e).(*ast.CallExpr)
	if !ok {
		b.fail(e, diag.NotGoHere, "", "this expression does nothing")
		return
	}
	if _, ok := scalar(b.typeOf(call)); ok {
		b.expr(call)
		return
	}
	b.callPlace(call)
}

func (b *builder) declare(d *ast.GenDecl) {
	if d.Tok != token.VAR {
		return
	}
	for _, s := range d.Specs {
		spec := s.(*ast.ValueSpec)
		if len(spec.Values) > 0 && len(spec.Values) != len(spec.Names) {
			b.defineFrom(identExprs(spec.Names), spec.Values[0])
			continue
		}
		for i, id := range spec.Names {
			var value ast.Expr
			if i < len(spec.Values) {
				value = spec.Values[i]
			}
			b.define(id, value)
		}
	}
}

func identExprs(ids []*ast.Ident) []ast.Expr {
	list := make([]ast.Expr, len(ids))
	for i, id := range ids {
		list[i] = id
	}
	return list
}

// define makes a variable of a function, zero without a value.
func (b *builder) define(id *ast.Ident, value ast.Expr) {
	v, ok := b.Info.Defs[id].(*types.Var)
	if !ok { // the blank identifier
		if value != nil {
			b.discard(value)
		}
		return
	}
	if _, ok := scalar(v.Type()); ok {
		x := ir.C(0)
		if value != nil {
			x = b.expr(value)
		}
		b.bind(v, x)
		return
	}
	if value != nil && !b.keeps(value, v.Type()) {
		return
	}
	bound := 0
	if value != nil {
		bound = b.bound(value)
	}
	p := b.local(id, v.Type(), bound)
	if value == nil {
		b.clear(p)
	} else {
		b.copyTo(value, p)
	}
	b.vars[v] = p
}

// keeps refuses the types whose values no variable of a function holds.
func (b *builder) keeps(value ast.Expr, t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Signature:
		b.fail(value, diag.FuncValue, "", "a function is called, not kept in a variable")
	case *types.Map:
		b.fail(value, diag.MapUse, "", "a map is a variable of the file, and no other variable's value")
	default:
		return true
	}
	return false
}

// bind makes v a register that holds x.
func (b *builder) bind(v *types.Var, x ir.Operand) place {
	r := b.f.NewReg(ir.Info{Struct: b.pointee(v.Type())})
	b.move(r, x)
	p := place{space: inReg, typ: v.Type(), reg: r}
	b.vars[v] = p
	return p
}

// local is memory for a variable of a function.
func (b *builder) local(at ast.Node, t types.Type, bound int) place {
	size, _ := b.size(t, bound)
	switch {
	case b.Kernel.ID(t) != 0:
		b.fail(at, diag.NotGoHere, "keep a pointer to it, or the fields that are needed", "a handler has no copy of the kernel's %s", b.TypeString(t))
		size = 8
	case size == 0 || size > 512:
		b.fail(at, diag.StackSize, "", "a value of type %s does not fit a handler's stack", b.TypeString(t))
		size = 8
	}
	return place{space: inOwn, typ: t, base: b.f.NewSlot(size), size: size}
}

func (b *builder) discard(e ast.Expr) {
	if _, ok := scalar(b.typeOf(e)); ok {
		b.expr(e)
	} else {
		b.place(e)
	}
}

func (b *builder) assignment(s *ast.AssignStmt) {
	switch {
	case s.Tok != token.ASSIGN && s.Tok != token.DEFINE:
		b.update(s, s.Lhs[0], s.Tok+token.ADD-token.ADD_ASSIGN, s.Rhs[0])
	case len(s.Lhs) != len(s.Rhs):
		b.defineFrom(s.Lhs, s.Rhs[0])
	case len(s.Lhs) == 1:
		b.assignOne(s.Lhs[0], s.Rhs[0])
	default:
		b.parallel(s)
	}
}

// assignOne writes lhs = rhs or lhs := rhs.
func (b *builder) assignOne(lhs, rhs ast.Expr) {
	if id, ok := lhs.(*ast.Ident); ok {
		if _, isNew := b.Info.Defs[id].(*types.Var); isNew || id.Name == "_" {
			b.define(id, rhs)
			return
		}
	}
	if t, key, ok := b.tableIndex(lhs); ok {
		b.put(t, key, rhs)
		return
	}
	p, ok := b.place(lhs)
	if !ok {
		b.fail(lhs, diag.NotGoHere, "", "this can't be assigned to")
		return
	}
	if _, ok := scalar(p.typ); ok {
		b.assign(lhs, p, b.expr(rhs))
		return
	}
	if p.space != inOwn {
		b.fail(lhs, diag.KernelWrite, "", "a handler reads the kernel and never writes to it")
		return
	}
	if _, ok := ast.Unparen(rhs).(*ast.CompositeLit); ok {
		b.copyPlace(lhs, b.copied(rhs), p) // its parts may read what is assigned
		return
	}
	b.copyTo(rhs, p)
}

// parallel writes a, b = b, a: all values first.
func (b *builder) parallel(s *ast.AssignStmt) {
	values := make([]place, len(s.Rhs))
	for i, e := range s.Rhs {
		values[i] = b.copied(e)
	}
	for i, lhs := range s.Lhs {
		b.assignValue(lhs, values[i])
	}
}

// copied is the value of e in a register or memory that nothing else writes.
func (b *builder) copied(e ast.Expr) place {
	t := b.typeOf(e)
	if _, ok := scalar(t); ok {
		return b.tag(e)
	}
	p := b.ownTemp(t, b.bound(e))
	b.copyTo(e, p)
	return p
}

// assignValue assigns a value that is already computed.
func (b *builder) assignValue(lhs ast.Expr, v place) {
	if id, ok := lhs.(*ast.Ident); ok {
		if id.Name == "_" {
			return
		}
		if to, isNew := b.Info.Defs[id].(*types.Var); isNew {
			b.bindValue(id, to, v)
			return
		}
	}
	if t, key, ok := b.tableIndex(lhs); ok {
		b.putValue(t, key, v)
		return
	}
	if to, ok := b.place(lhs); ok {
		b.copyPlace(lhs, v, to)
	}
}

// bindValue makes a variable of a function that holds v.
func (b *builder) bindValue(at ast.Node, to *types.Var, v place) {
	if _, ok := scalar(to.Type()); ok {
		b.bind(to, b.load(v))
		return
	}
	p := b.local(at, to.Type(), v.size)
	b.copyPlace(at, v, p)
	b.vars[to] = p
}

// defineFrom writes v, ok := m[k] and a, b := f().
func (b *builder) defineFrom(lhs []ast.Expr, rhs ast.Expr) {
	rhs = ast.Unparen(rhs)
	if call, ok := rhs.(*ast.CallExpr); ok {
		for i, p := range b.inline(call) {
			b.assignValue(lhs[i], p)
		}
		return
	}
	t, key, ok := b.tableIndex(rhs)
	if !ok {
		b.fail(rhs, diag.NotGoHere, "", "this can't be assigned to several variables")
		return
	}
	b.commaOk(lhs, t, key)
}

// update writes x op= y; without y, by one. A sum into memory that others see is
// one atomic addition.
func (b *builder) update(s ast.Stmt, lhs ast.Expr, op token.Token, rhs ast.Expr) {
	if t, key, ok := b.tableIndex(lhs); ok {
		b.updateEntry(lhs, t, key, op, rhs)
		return
	}
	p, ok := b.place(lhs)
	n, isScalar := scalar(b.typeOf(lhs))
	if !ok || !isScalar {
		b.fail(s, diag.StringOp, "", "%s has no meaning for this", op)
		return
	}
	if p.space != inReg && p.space != inOwn {
		b.fail(lhs, diag.KernelWrite, "", "a handler reads the kernel and never writes to it")
		return
	}
	y := b.operand(rhs, op, n)
	if p.space == inOwn && p.base.Kind == ir.Value && b.addTo(p, n, op, y) {
		return
	}
	b.assign(lhs, p, b.combine(op, n, b.load(p), y, rhs))
}

// operand is the right side of op=.
func (b *builder) operand(rhs ast.Expr, op token.Token, n number) ir.Operand {
	if rhs == nil {
		return ir.C(1)
	}
	return b.expr(rhs)
}

func (b *builder) combine(op token.Token, n number, x, y ir.Operand, rhs ast.Expr) ir.Operand {
	if op == token.SHL || op == token.SHR {
		by, _ := scalar(b.typeOf(rhs))
		return b.shift(op, n, x, y, by)
	}
	return b.arith(op, n, x, y)
}

// addTo adds atomically, where BPF can: 32 and 64 bits.
func (b *builder) addTo(p place, n number, op token.Token, y ir.Operand) bool {
	if n.bits < 32 || op != token.ADD && op != token.SUB {
		return false
	}
	if op == token.SUB {
		y = b.op(ir.Neg, n.wide(), y, ir.Operand{})
	}
	b.add(ir.Ins{Op: ir.Atomic, A: p.base, B: y, Off: p.off, Size: int32(n.bits / 8)})
	return true
}
