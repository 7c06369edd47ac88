package front

import (
	"go/ast"
	"go/types"
	"slices"

	"ktrap/internal/diag"
)

// A Pair is a handler at a function's entry and one at its return, of which the
// second has something of the first: what it returned, or the function's arguments.
type Pair struct {
	Entry, Exit *Handler
	Data        types.Type // what Entry returns first; nil for nothing
	Choice      bool       // it returns a second value, whether the call is followed
}

// Args are the function's parameters that Exit takes.
func (p *Pair) Args() (list []Param) {
	for _, x := range p.Exit.Params {
		if x.Index >= 0 {
			list = append(list, x)
		}
	}
	return list
}

// pairs finds the ret handlers for what pre handlers return.
func (f *File) pairs() {
	for _, h := range f.Handlers {
		results := h.Obj.Type().(*types.Signature).Results()
		if results.Len() == 0 {
			continue
		}
		if h.Kind != Pre {
			f.Fail(h.Decl.Type.Results, diag.Result, "a "+string(h.Kind)+" handler returns nothing", "")
			continue
		}
		p := &Pair{Entry: h, Data: results.At(0).Type(), Choice: results.Len() == 2}
		if results.Len() > 2 || p.Choice && !types.Identical(results.At(1).Type().Underlying(), types.Typ[types.Bool]) {
			f.Fail(h.Decl.Type.Results, diag.Result, "a pre handler returns one value, or one and a bool", "the bool says whether the call's return is of interest")
			continue
		}
		for _, other := range f.Handlers {
			if other.Kind != Return || other.Place != h.Place || other.Given != h.Given {
				continue
			}
			if p.Exit != nil || other.Pair != nil {
				f.Fail(other.Decl.Name, diag.Result, "one ret handler takes what "+h.Decl.Name.Name+" returns, not several", "")
				continue
			}
			p.Exit, other.Pair, h.Pair = other, p, p
		}
		if p.Exit == nil {
			f.Fail(h.Decl.Type.Results, diag.Result, "no ret handler takes what "+h.Decl.Name.Name+" returns", "write a handler under "+directive+"ret "+h.Place)
		}
	}
}

// entries makes the handlers that keep the arguments for ret handlers that take
// some, where no handler of the file does.
func (f *File) entries() {
	for _, h := range slices.Clone(f.Handlers) {
		if h.Kind != Return || h.Pair != nil || !slices.ContainsFunc(h.Params, func(p Param) bool { return p.Index >= 0 }) {
			continue
		}
		name := h.Decl.Name.Name + "_entry"
		h.Pair = &Pair{Exit: h, Entry: &Handler{
			Kind: Pre, Place: h.Place, Given: h.Given, Func: h.Func,
			Obj: types.NewFunc(h.Decl.Pos(), f.Pkg, name, types.NewSignatureType(nil, nil, nil, nil, nil, false)),
			Decl: &ast.FuncDecl{
				Name: &ast.Ident{Name: name, NamePos: h.Decl.Pos()},
				Type: &ast.FuncType{Func: h.Decl.Pos(), Params: &ast.FieldList{}},
				Body: &ast.BlockStmt{Lbrace: h.Decl.Pos(), Rbrace: h.Decl.Pos()},
			},
		}}
		h.Pair.Entry.Pair = h.Pair
		f.Handlers = append(f.Handlers, h.Pair.Entry)
	}
}
