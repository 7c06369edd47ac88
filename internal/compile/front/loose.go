package front

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"

	"ktrap/kt"
)

// maxRounds bounds how often types are checked again: each time one more operator
// of a chain may find its operands' types.
const maxRounds = 16

// loosen puts right what a person leaves out who writes one line: the brackets of
// a word that takes nothing. Positions stay those of what was written.
func (f *File) loosen() {
	unresolved := map[*ast.Ident]bool{}
	for _, id := range f.Syntax.Unresolved {
		unresolved[id] = true
	}
	called := map[*ast.Ident]bool{}
	plain := plainWords()
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if id, ok := call.Fun.(*ast.Ident); ok {
				called[id] = true
			}
		}
		for _, e := range operands(n) {
			if id, ok := (*e).(*ast.Ident); ok && unresolved[id] && !called[id] && plain[id.Name] {
				*e = &ast.CallExpr{Fun: id, Lparen: id.End(), Rparen: id.End() - 1}
				called[id] = true
			}
		}
		return true
	})
}

// parsedWords are the words' declarations.
func parsedWords() *ast.File {
	file, err := parser.ParseFile(token.NewFileSet(), "words", kt.Words, parser.SkipObjectResolution)
	if err != nil {
		panic("ktrap bug: the words of handlers: " + err.Error())
	}
	return file
}

// plainWords are the words that take nothing and give something.
func plainWords() map[string]bool {
	plain := map[string]bool{}
	for _, d := range parsedWords().Decls {
		fn, ok := d.(*ast.FuncDecl)
		if ok && fn.Recv == nil && fn.Type.Params.NumFields() == 0 && fn.Type.Results.NumFields() == 1 {
			plain[fn.Name.Name] = true
		}
	}
	return plain
}

// IsWord reports whether a name is a word that takes nothing and gives something.
func IsWord(name string) bool { return plainWords()[name] }

// widen converts the operands of an operator that have different integer types to
// one that holds the values of both, and reports whether there were any.
func (f *File) widen() (changed bool) {
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		e, ok := n.(*ast.BinaryExpr)
		if !ok || e.Op == token.SHL || e.Op == token.SHR {
			return true
		}
		x, y := f.integer(e.X), f.integer(e.Y)
		if x == nil || y == nil || x == y {
			return true
		}
		to := common(x, y)
		e.X, e.Y = convert(e.X, x, to), convert(e.Y, y, to)
		changed = true
		return true
	})
	return changed
}

// integer is the type of an integer that is no constant of any type, else nil.
func (f *File) integer(e ast.Expr) *types.Basic {
	t := f.Info.TypeOf(e)
	if t == nil {
		return nil
	}
	b, ok := t.Underlying().(*types.Basic)
	if !ok || b.Info()&types.IsInteger == 0 || b.Info()&types.IsUntyped != 0 {
		return nil
	}
	return types.Typ[b.Kind()]
}

// common is the narrowest type that holds the values of both; int64 where none
// does.
func common(x, y *types.Basic) *types.Basic {
	sizes := types.SizesFor("gc", "amd64")
	if sizes.Sizeof(x) < sizes.Sizeof(y) {
		x, y = y, x
	}
	bits := sizes.Sizeof(x)
	unsigned := x.Info() & types.IsUnsigned
	switch {
	case unsigned == y.Info()&types.IsUnsigned, unsigned == 0 && sizes.Sizeof(y) < bits:
		return x
	case bits < 4:
		return types.Typ[types.Int32]
	}
	return types.Typ[types.Int64]
}

func convert(e ast.Expr, from, to *types.Basic) ast.Expr {
	if from == to {
		return e
	}
	return &ast.CallExpr{Fun: &ast.Ident{NamePos: e.Pos(), Name: to.Name()}, Lparen: e.Pos(), Args: []ast.Expr{e}, Rparen: e.End() - 1}
}

// operands are the expressions that a node is made of.
func operands(n ast.Node) []*ast.Expr {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return []*ast.Expr{&n.X, &n.Y}
	case *ast.UnaryExpr:
		return []*ast.Expr{&n.X}
	case *ast.ParenExpr:
		return []*ast.Expr{&n.X}
	case *ast.StarExpr:
		return []*ast.Expr{&n.X}
	case *ast.SelectorExpr:
		return []*ast.Expr{&n.X}
	case *ast.IndexExpr:
		return []*ast.Expr{&n.X, &n.Index}
	case *ast.KeyValueExpr:
		return []*ast.Expr{&n.Value}
	case *ast.CallExpr:
		return each(n.Args)
	case *ast.CompositeLit:
		return each(n.Elts)
	}
	return nil
}

func each(list []ast.Expr) (all []*ast.Expr) {
	for i := range list {
		all = append(all, &list[i])
	}
	return all
}
