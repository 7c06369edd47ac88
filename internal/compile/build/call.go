package build

import (
	"go/ast"
	"go/types"

	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
)

// word is the name of the word of handlers that is called, or "".
func (b *builder) word(call *ast.CallExpr) string {
	fun := ast.Unparen(call.Fun)
	if index, ok := fun.(*ast.IndexExpr); ok {
		fun = index.X
	}
	id, ok := fun.(*ast.Ident)
	if !ok {
		return ""
	}
	obj := b.Info.Uses[id]
	if obj == nil || b.Fset.Position(obj.Pos()).Filename != "words" {
		return ""
	}
	return id.Name
}

// callExpr is a call or conversion whose value is a scalar.
func (b *builder) callExpr(e *ast.CallExpr) ir.Operand {
	b.pos = e.Pos()
	if tv := b.Info.Types[e.Fun]; tv.IsType() {
		return b.conversion(e, tv.Type)
	}
	if w := b.word(e); w != "" {
		return b.builtin(e, w)
	}
	if b.isBuiltin(e) {
		return b.goBuiltin(e)
	}
	results := b.inline(e)
	if len(results) != 1 {
		return ir.C(0)
	}
	return b.load(results[0])
}

// callPlace is a call whose value is memory, or that has none.
func (b *builder) callPlace(e *ast.CallExpr) (place, bool) {
	b.pos = e.Pos()
	if tv := b.Info.Types[e.Fun]; tv.IsType() {
		return b.place(e.Args[0])
	}
	if w := b.word(e); w != "" {
		return b.memoryWord(e, w)
	}
	if sel, ok := e.Fun.(*ast.SelectorExpr); ok {
		return place{}, b.method(e, sel)
	}
	if b.isBuiltin(e) {
		b.goBuiltin(e)
		return place{}, true
	}
	results := b.inline(e)
	if len(results) != 1 {
		return place{}, len(results) == 0
	}
	return results[0], true
}

func (b *builder) isBuiltin(e *ast.CallExpr) bool {
	id, ok := ast.Unparen(e.Fun).(*ast.Ident)
	if !ok {
		return false
	}
	_, ok = b.Info.Uses[id].(*types.Builtin)
	return ok
}

// goBuiltin is one of Go's own: delete, min, max.
func (b *builder) goBuiltin(e *ast.CallExpr) ir.Operand {
	switch name := ast.Unparen(e.Fun).(*ast.Ident).Name; name {
	case "delete":
		b.remove(e)
	case "min", "max":
		return b.extreme(e, name)
	default:
		b.fail(e, diag.NotGoHere, "", "%s has no meaning in a handler", name)
	}
	return ir.C(0)
}

// extreme is min or max.
func (b *builder) extreme(e *ast.CallExpr, name string) ir.Operand {
	n, ok := scalar(b.typeOf(e))
	if !ok {
		b.fail(e, diag.StringOp, "", "%s takes integers here", name)
		return ir.C(0)
	}
	cond := ir.Lt
	if name == "max" {
		cond = ir.Gt
	}
	best := b.reg()
	b.move(best, b.expr(e.Args[0]))
	for _, arg := range e.Args[1:] {
		x := b.expr(arg)
		better, next := b.newBlock(), b.newBlock()
		b.branch(n.cond(cond), n.wide(), x, ir.R(best), better, next)
		b.start(better)
		b.move(best, x)
		b.jump(next)
		b.start(next)
	}
	return ir.R(best)
}

func (b *builder) conversion(e *ast.CallExpr, to types.Type) ir.Operand {
	arg := e.Args[0]
	from, ok1 := scalar(b.typeOf(arg))
	n, ok2 := scalar(to)
	if !ok1 || !ok2 {
		b.fail(e, diag.StringOp, "", "a %s can't be made a %s here", b.TypeString(b.typeOf(arg)), b.TypeString(to))
		return ir.C(0)
	}
	x := b.expr(arg)
	b.pos = e.Pos()
	if isPointer(b.typeOf(arg)) || isPointer(to) {
		return b.retyped(x, to)
	}
	return b.convert(x, from, n)
}

func isPointer(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return true
	case *types.Basic:
		return u.Kind() == types.UnsafePointer
	}
	return false
}

// retyped is x as a pointer of another type, of which the verifier knows nothing.
func (b *builder) retyped(x ir.Operand, to types.Type) ir.Operand {
	x = b.plain(x)
	if id := b.pointee(to); id != 0 && x.Kind == ir.Value {
		b.f.Regs[x.Reg].Struct = id
	}
	return x
}

// inline writes a function's body in and returns the places of its results.
func (b *builder) inline(e *ast.CallExpr) []place {
	id, _ := ast.Unparen(e.Fun).(*ast.Ident)
	var fn *types.Func
	if id != nil {
		fn, _ = b.Info.Uses[id].(*types.Func)
	}
	decl := b.Funcs[fn]
	if decl == nil {
		b.fail(e.Fun, diag.FuncValue, "", "only functions of this file can be called")
		return nil
	}
	for _, f := range b.calls {
		if f.fn == fn {
			b.fail(e.Fun, diag.Recursion, "write a loop", "%s calls itself", fn.Name())
			return nil
		}
	}
	if b.insns > maxInsns {
		return nil
	}
	args := b.arguments(e, fn.Type().(*types.Signature).Params())
	pos := b.pos
	results := b.body(fn, decl, args)
	b.pos = pos
	return results
}

// arguments computes all of a call's arguments before any parameter is bound.
func (b *builder) arguments(e *ast.CallExpr, params *types.Tuple) []place {
	var args []place
	for _, arg := range e.Args {
		if len(e.Args) != params.Len() {
			b.fail(e, diag.NotGoHere, "", "a call's results can't be another's arguments")
			return nil
		}
		args = append(args, b.tag(arg))
	}
	return args
}

// body writes a function's body; returns lead to its end.
func (b *builder) body(fn *types.Func, decl *ast.FuncDecl, args []place) []place {
	f := &frame{fn: fn, done: b.newBlock()}
	sig := fn.Type().(*types.Signature)
	for i := range args {
		b.bindValue(decl.Name, sig.Params().At(i), args[i])
	}
	for i := range sig.Results().Len() {
		f.results = append(f.results, b.result(decl, sig.Results().At(i)))
	}
	b.calls = append(b.calls, f)
	b.block(decl.Body.List)
	b.calls = b.calls[:len(b.calls)-1]
	b.jump(f.done)
	b.start(f.done)
	return f.results
}

// result is where a function leaves a result; a named one begins as zero.
func (b *builder) result(decl *ast.FuncDecl, v *types.Var) place {
	if _, ok := scalar(v.Type()); ok {
		return b.bind(v, ir.C(0))
	}
	p := b.local(decl.Name, v.Type(), 0)
	b.clear(p)
	b.vars[v] = p
	return p
}

func (b *builder) giveBack(s *ast.ReturnStmt) {
	f := b.top()
	if len(s.Results) > 0 && len(s.Results) != len(f.results) {
		b.fail(s, diag.NotGoHere, "", "a call's results can't be returned as several")
		return
	}
	values := make([]place, len(s.Results))
	for i, e := range s.Results {
		values[i] = b.tag(e)
	}
	for i, v := range values {
		if v.space == inReg {
			b.move(f.results[i].reg, ir.R(v.reg))
		} else {
			b.copyPlace(s, v, f.results[i])
		}
	}
	b.jump(f.done)
}
