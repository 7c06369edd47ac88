package front

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"strings"

	"ktrap/internal/btfgo"
	"ktrap/internal/diag"
	"ktrap/internal/place"
	"ktrap/kt"
)

// check runs Go's type checker over the file and the words, in one package.
func (f *File) check() {
	f.typeNames()
	if f.Env.Loose {
		f.loosen()
	}
	for round := 0; ; round++ {
		f.checkTypes()
		if !f.Env.Loose || len(f.errs) == 0 || round == maxRounds || !f.widen() {
			break
		}
		f.errs = nil
	}
	if len(f.errs) == 0 {
		f.unknownWords()
		f.floats()
	}
}

// floats refuses constants that have become what nobody declared: emit(0.5).
func (f *File) floats() {
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok || f.Info.Types[e].Value == nil {
			return true
		}
		b, ok := f.Info.Types[e].Type.(*types.Basic)
		if ok && b.Info()&(types.IsFloat|types.IsComplex) != 0 && b.Info()&types.IsUntyped == 0 {
			f.Fail(e, diag.Float, "a handler has no "+b.Name(), "the kernel computes with integers")
			return false
		}
		return true
	})
}

func (f *File) checkTypes() {
	words := f.words()
	f.Pkg = types.NewPackage("trap", f.Syntax.Name.Name)
	f.Info = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{},
		Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
		Instances: map[*ast.Ident]types.Instance{},
	}
	f.Kernel = btfgo.New(f.Env.BTF, f.Pkg, selectors(f.Syntax))
	f.kernelNames(words)
	conf := types.Config{
		Importer: only{},
		Sizes:    sizes{types.SizesFor("gc", "amd64"), f.Kernel},
		Error:    func(err error) { f.typeError(err.(types.Error)) },
	}
	// The errors are those that the handler above is given.
	_ = types.NewChecker(&conf, f.Fset, f.Pkg, f.Info).Files([]*ast.File{words, f.Syntax})
}

// unknownWords refuses the words whose types this kernel does not have.
func (f *File) unknownWords() {
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		e, ok := n.(*ast.CallExpr)
		if ok && invalid(f.Info.Types[e].Type) {
			f.Fail(e, diag.UnknownType, "the kernel's type of this is not known", "give --btf FILE")
			return false
		}
		return true
	})
}

func invalid(t types.Type) bool {
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	return t == types.Typ[types.Invalid]
}

// only is an importer of the one package that a handler file may import.
type only struct{}

func (only) Import(string) (*types.Package, error) { return types.Unsafe, nil }

// words parses the words, less those that the file declares itself or never calls.
func (f *File) words() *ast.File {
	text := kt.Words + f.regs()
	words, err := parser.ParseFile(f.Fset, "words", text, 0)
	if err != nil {
		panic("ktrap bug: the words of handlers: " + err.Error())
	}
	words.Name.Name = f.Syntax.Name.Name
	own, used := declared(f.Syntax), map[string]bool{}
	for _, id := range f.Syntax.Unresolved {
		used[id.Name] = true
	}
	kept := words.Decls[:0]
	for _, d := range words.Decls {
		fn, _ := d.(*ast.FuncDecl)
		if !own[name(d)] && (fn == nil || fn.Recv != nil || used[fn.Name.Name]) {
			kept = append(kept, d)
		}
	}
	words.Decls = kept
	return words
}

// regs declares the saved registers, by the processor's names.
func (f *File) regs() string {
	var names []string
	for _, r := range f.Env.Arch.Regs {
		names = append(names, r.Name)
	}
	return "\ntype regs struct{ " + strings.Join(names, ", ") + " uint64 }\n"
}

func declared(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, d := range file.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok {
			names[name(d)] = true
			continue
		}
		for _, s := range gen.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names[s.Name.Name] = true
			case *ast.ValueSpec:
				for _, id := range s.Names {
					names[id.Name] = true
				}
			}
		}
	}
	return names
}

// name is what a declaration of one name declares; a method counts to its type.
func name(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			if star, ok := d.Recv.List[0].Type.(*ast.StarExpr); ok {
				return star.X.(*ast.Ident).Name
			}
		}
		return d.Name.Name
	case *ast.GenDecl:
		if s, ok := d.Specs[0].(*ast.TypeSpec); ok {
			return s.Name.Name
		}
	}
	return ""
}

// selectors are the names behind a dot: of all the kernel's fields only these are
// ever looked at.
func selectors(file *ast.File) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			names[s.Sel.Name] = true
		}
		return true
	})
	return names
}

// kernelNames puts the kernel's types and constants into scope that the file
// names and neither it nor Go nor the words declare.
func (f *File) kernelNames(words *ast.File) {
	known := declared(f.Syntax)
	for n := range declared(words) {
		known[n] = true
	}
	seen := map[string]bool{}
	var names []string
	unresolved := f.Syntax.Unresolved
	if known["current"] {
		unresolved = append(unresolved, words.Unresolved...)
	}
	for _, id := range unresolved {
		if n := id.Name; !seen[n] && !known[n] && types.Universe.Lookup(n) == nil && n != "unsafe" {
			seen[n] = true
			names = append(names, n)
		}
	}
	if f.Env.BTF != nil && len(names) <= mostExpected {
		f.Env.BTF.Expect(append(names, f.probed()...))
	}
	for _, n := range names {
		f.Kernel.Declare(n)
	}
}

// mostExpected bounds what is kept of a file that is up to no good.
const mostExpected = 1000

// probed are the functions that handlers are for, and the one of the kernel's that
// most are compiled with.
func (f *File) probed() []string {
	places := []string{f.Env.Place}
	for _, group := range f.Syntax.Comments {
		for _, c := range group.List {
			if text, ok := strings.CutPrefix(c.Text, directive); ok && len(places) < mostExpected {
				_, at, _ := strings.Cut(text, " ")
				places = append(places, strings.TrimSpace(at))
			}
		}
	}
	names := []string{"bpf_rdonly_cast"}
	for _, at := range places {
		if p, err := place.Parse(at); err == nil && p.Symbol != "" {
			names = append(names, p.Symbol)
		}
	}
	return names
}

// typeError turns the type checker's error into one of ours.
func (f *File) typeError(err types.Error) {
	if more, ok := strings.CutPrefix(err.Msg, "\t"); ok && len(f.errs) > 0 {
		f.errs[len(f.errs)-1].Hint = fmt.Sprintf("%s in line %d", more, f.Fset.Position(err.Pos).Line)
		return
	}
	e := &diag.Error{Code: diag.Type, Pos: f.Fset.Position(err.Pos), Msg: err.Msg}
	e.End = f.Fset.Position(f.endOf(err.Pos))
	if e.Pos.Filename == "words" {
		return // a word that names what this kernel does not have: it is told where it is used
	}
	f.explain(e, err)
	f.errs.Add(e)
}

func (f *File) explain(e *diag.Error, err types.Error) {
	msg := err.Msg
	switch {
	case strings.HasPrefix(msg, "undefined: "):
		f.undefined(e, strings.TrimPrefix(msg, "undefined: "))
	case strings.HasPrefix(msg, "declared and not used") || strings.HasSuffix(msg, "imported and not used"):
		e.Code = diag.Unused
	case strings.Contains(msg, "redeclared in this block") || strings.HasPrefix(msg, "no new variables"):
		e.Code = diag.Redeclared
	case strings.Contains(msg, "division by zero"):
		e.Code = diag.DivideZero
	case strings.Contains(msg, "negative shift count"):
		e.Code = diag.ShiftRange
	case strings.Contains(msg, "index ") && (strings.Contains(msg, " out of bounds") || strings.Contains(msg, " must not be negative")):
		e.Code = diag.IndexRange
	case strings.HasSuffix(msg, "(type) is not an expression"), strings.Contains(msg, " undefined (type "):
		if !f.noValue(e, err.Pos) && strings.Contains(msg, "has no field or method") {
			f.unknownField(e, err.Pos)
		}
	}
}

// noValue tells of a type that stands where a parameter or a variable is meant, as the
// kernel has many that are called like those.
func (f *File) noValue(e *diag.Error, pos token.Pos) bool {
	root := f.rootAt(pos)
	if root == nil {
		return false
	}
	_, isType := f.Info.Uses[root].(*types.TypeName)
	if isType {
		e.Pos, e.End = f.Fset.Position(root.Pos()), f.Fset.Position(root.End())
		e.Code, e.Msg = diag.Undefined, root.Name+" is a type, and no parameter or variable here"
	}
	return isType
}

// rootAt is the name that stands at pos, or that the chain of fields to it begins with.
func (f *File) rootAt(pos token.Pos) (root *ast.Ident) {
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if n.Pos() == pos && root == nil {
				root = n
			}
		case *ast.SelectorExpr:
			if id, ok := n.X.(*ast.Ident); ok && n.Sel.Pos() == pos {
				root = id
			}
		}
		return true
	})
	return root
}

// undefined tells what name could have been meant.
func (f *File) undefined(e *diag.Error, word string) {
	e.Code, e.Msg = diag.Undefined, word+" is not declared"
	var names []string
	for s := f.Pkg.Scope().Innermost(f.posOf(e)); s != nil; s = s.Parent() {
		names = append(names, s.Names()...)
	}
	names = append(names, f.Pkg.Scope().Names()...)
	for _, d := range parsedWords().Decls {
		names = append(names, name(d))
	}
	if e.Hint = diag.DidYouMean(word, names); e.Hint == "" && f.Env.BTF == nil {
		e.Hint = "no kernel types are known: give --btf FILE"
	}
}

func (f *File) posOf(e *diag.Error) token.Pos {
	return f.Fset.File(f.Syntax.Pos()).Pos(e.Pos.Offset)
}

// unknownField names the field that was meant, from all of the type's fields.
func (f *File) unknownField(e *diag.Error, pos token.Pos) {
	sel := f.selectorAt(pos)
	if sel == nil {
		return
	}
	owner := f.Info.Types[sel.X].Type
	if owner == nil {
		return
	}
	e.Pos, e.End = f.Fset.Position(sel.Sel.Pos()), f.Fset.Position(sel.Sel.End())
	typ := types.TypeString(owner, func(*types.Package) string { return "" })
	e.Code, e.Msg = diag.UnknownField, strings.TrimPrefix(typ, "*")+" has no field "+sel.Sel.Name
	if e.Hint = diag.DidYouMean(sel.Sel.Name, f.fields(owner)); e.Hint == "" {
		e.Hint = f.kernelsOwn(owner)
	}
}

// kernelsOwn tells how the kernel's type is named of which a word has the name.
func (f *File) kernelsOwn(typ types.Type) string {
	if p, ok := typ.Underlying().(*types.Pointer); ok {
		typ = p.Elem()
	}
	n, ok := typ.(*types.Named)
	if !ok || f.Position(n.Obj().Pos()).Filename != "words" || !f.kernelHas(n.Obj().Name()) {
		return ""
	}
	return "this is a type of handlers; the kernel's is struct_" + n.Obj().Name()
}

func (f *File) fields(owner types.Type) []string {
	if p, ok := owner.Underlying().(*types.Pointer); ok {
		owner = p.Elem()
	}
	if names := f.Kernel.Fields(owner); names != nil {
		return names
	}
	var names []string
	if s, ok := owner.Underlying().(*types.Struct); ok {
		for field := range s.Fields() {
			names = append(names, field.Name())
		}
	}
	return names
}

func (f *File) selectorAt(pos token.Pos) (found *ast.SelectorExpr) {
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Pos() == pos || s.Pos() == pos && found == nil) {
			found = s
		}
		return true
	})
	return found
}

// endOf is the end of the largest expression that begins at pos.
func (f *File) endOf(pos token.Pos) token.Pos {
	end := pos
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && e.Pos() == pos && e.End() > end {
			end = e.End()
		}
		return n != nil && n.Pos() <= pos && pos <= n.End()
	})
	return end
}
