package compile

import (
	"go/ast"
	"go/types"

	"ktrap/internal/compile/front"
	"ktrap/internal/diag"
)

// Parameter is one that a handler may take, as its source has to spell it.
type Parameter = front.Parameter

// Parameters are those of the function at a place, or what it returns, called
// retval; none where its types are not known.
func Parameters(env Env, at string, returned bool) []Parameter {
	return front.Parameters(env, at, returned)
}

// IsWord reports whether a name is a word of handlers that takes nothing.
func IsWord(name string) bool { return front.IsWord(name) }

// Expression is what an expression turned out to be.
type Expression struct {
	Line int    // where it stands
	Text string // as a handler has to say it
	Type string // as a handler spells it
	Name string // the last word of it, to call it by; "" if it has none
	Size int    // bytes as a value, of a text with its NUL
}

// Infer checks a file like Check, and tells what its calls of emit send, in their
// order.
func Infer(src Source, env Env) ([]Expression, diag.List) {
	u, errs := Check(src, env)
	if u == nil {
		return nil, errs
	}
	if errs := u.unprintable(); errs != nil {
		return nil, errs
	}
	var all []Expression
	record := 0
	ast.Inspect(u.file.Syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "emit" {
			for i, arg := range call.Args {
				all = append(all, u.expression(arg, record, i))
			}
			record++
		}
		return true
	})
	return all, nil
}

func (u *Unit) expression(e ast.Expr, record, i int) Expression {
	field := u.Records[record].Fields[i]
	return Expression{
		Line: u.file.Position(e.Pos()).Line,
		Text: types.ExprString(e),
		Type: u.file.TypeString(types.Default(u.file.Info.TypeOf(e))),
		Name: field.Name, Size: field.Size,
	}
}

// unprintable refuses the only expressions that can't be printed back.
func (u *Unit) unprintable() (errs diag.List) {
	ast.Inspect(u.file.Syntax, func(n ast.Node) bool {
		if lit, ok := n.(*ast.CompositeLit); ok {
			u.file.Fail(lit, diag.NotGoHere, "a one-line expression builds no values", "write a handler file")
			return false
		}
		return true
	})
	return u.file.Errs()
}
