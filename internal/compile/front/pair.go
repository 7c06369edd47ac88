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
		fail := func(msg, hint string) { f.Fail(h.Decl.Type.Results, diag.Result, msg, hint) }
		switch {
		case h.Kind != Pre:
			fail("a "+string(h.Kind)+" handler returns nothing", "")
		case results.Len() > 2 || results.Len() == 2 && !isBool(results.At(1).Type()):
			fail("a pre handler returns one value, or one and a bool", "the bool says whether the call's return is of interest")
		default:
			f.pair(&Pair{Entry: h, Data: results.At(0).Type(), Choice: results.Len() == 2})
			if h.Pair == nil {
				fail("no ret handler takes what "+h.Decl.Name.Name+" returns", "write a handler under "+directive+"ret "+h.Place)
			}
		}
	}
}

func isBool(t types.Type) bool { return types.Identical(t.Underlying(), types.Typ[types.Bool]) }

// pair finds the ret handler of p.Entry's place.
func (f *File) pair(p *Pair) {
	for _, h := range f.Handlers {
		switch {
		case h.Kind != Return || h.Place != p.Entry.Place || h.Given != p.Entry.Given:
		case p.Exit != nil || h.Pair != nil:
			f.Fail(h.Decl.Name, diag.Result, "one pre and one ret handler share a call, and "+h.Place+" has more", "")
		default:
			p.Exit, h.Pair, p.Entry.Pair = h, p, p
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
