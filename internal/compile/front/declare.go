package front

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"ktrap/internal/btf"
	"ktrap/internal/diag"
	"ktrap/internal/place"
)

// A Global is a package variable that handlers share.
type Global struct {
	Obj  *types.Var
	Spec *ast.ValueSpec
	Init constant.Value // of a scalar or string; nil for zero
}

// A Kind says when a handler runs.
type Kind string

// The kinds.
const (
	Pre    Kind = "pre"   // before the probed instruction
	Post   Kind = "post"  // after it
	Return Kind = "ret"   // when the probed function returns
	Fault  Kind = "fault" // when a read of another handler fails
)

// A Handler is a function that a probe calls.
type Handler struct {
	Kind   Kind
	Place  string // "" if there is none
	Given  bool   // Place is not the file's
	Decl   *ast.FuncDecl
	Obj    *types.Func
	Func   btf.ID // the probed function, 0 if its types are not known
	Params []Param
	Pair   *Pair    // that it is of; nil for none
	Fault  *Handler // that is called when a read of this one fails; nil for none
}

// A Param is what a handler is given.
type Param struct {
	Obj   *types.Var
	Index int // of the probed function's parameters; or one of those below
}

// What a Param may be besides a parameter of the probed function.
const (
	Word      = -1 // the returned value
	Registers = -2 // a *regs
	Entry     = -3 // of a ret handler: what the one at the entry returned
	Trap      = -4 // of a fault handler: a *trap
	Before    = -5 // of a post handler: the *regs from before the instruction
)

// directive begins a comment that is for us.
const directive = "//ktrap:"

func (f *File) declarations() {
	for _, d := range f.Syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			obj := f.Info.Defs[d.Name].(*types.Func)
			f.Funcs[obj] = d
			if d.Body == nil {
				f.Fail(d.Name, diag.NotGoHere, d.Name.Name+" has no body", "")
			}
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				f.variables(d)
			}
		}
	}
}

func (f *File) variables(d *ast.GenDecl) {
	for _, s := range d.Specs {
		spec := s.(*ast.ValueSpec)
		for i, id := range spec.Names {
			obj, ok := f.Info.Defs[id].(*types.Var)
			if !ok {
				continue
			}
			g := &Global{Obj: obj, Spec: spec}
			if i < len(spec.Values) {
				if g.Init = f.Info.Types[spec.Values[i]].Value; g.Init == nil {
					f.Fail(spec.Values[i], diag.GlobalInit, id.Name+" begins as zero or as a constant", "")
				}
			}
			f.Globals = append(f.Globals, g)
		}
	}
}

// handlers finds the functions that are for probes: those with a directive, and
// those named as one of the kinds.
func (f *File) handlers() {
	f.defaultPlace()
	for _, d := range f.Syntax.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		h := &Handler{Decl: fn, Obj: f.Info.Defs[fn.Name].(*types.Func), Place: f.Env.Place, Given: true}
		switch kind := Kind(fn.Name.Name); kind {
		case Pre, Post, Return, Fault:
			h.Kind = kind
		}
		f.directives(h)
		if h.Kind != "" {
			f.Handlers = append(f.Handlers, h)
		}
	}
	f.pairs()
	for _, h := range f.Handlers {
		f.handler(h)
	}
	f.entries()
	f.faults()
	if len(f.Handlers) == 0 && len(f.errs) == 0 {
		f.Fail(f.Syntax.Name, diag.NoHandler, "the file has no handler", "a function pre, post, ret or fault, or one under "+directive+"pre PLACE")
	}
}

// defaultPlace reads //ktrap:probe PLACE, which names the place of the handlers that
// name none, unless one is given from outside.
func (f *File) defaultPlace() {
	for _, group := range f.Syntax.Comments {
		for _, c := range group.List {
			at, ok := strings.CutPrefix(c.Text, directive+"probe ")
			if !ok {
				continue
			}
			if _, err := place.Parse(strings.TrimSpace(at)); err != nil {
				f.Fail(c, diag.Directive, err.Error(), "")
			}
			if f.Env.Place == "" {
				f.Env.Place = strings.TrimSpace(at)
			}
		}
	}
}

// directives reads the comment above a function: //ktrap:ret vfs_read.
func (f *File) directives(h *Handler) {
	if h.Decl.Doc == nil {
		return
	}
	for _, c := range h.Decl.Doc.List {
		text, ok := strings.CutPrefix(c.Text, directive)
		if !ok {
			continue
		}
		word, at, _ := strings.Cut(text, " ")
		switch kind := Kind(word); kind {
		case Pre, Post, Return, Fault:
			h.Kind = kind
			if at = strings.TrimSpace(at); at == "" {
				continue // the place is given from outside
			}
			h.Place, h.Given = at, false
			if _, err := place.Parse(at); err != nil {
				f.Fail(c, diag.Directive, err.Error(), "")
			}
		case "probe": // the file's, wherever it stands
		default:
			f.Fail(c, diag.Directive, word+" is no directive", diag.DidYouMean(word, []string{"pre", "post", "ret", "fault", "probe"}))
		}
	}
}

func (f *File) handler(h *Handler) {
	sig := h.Obj.Type().(*types.Signature)
	h.Func = f.function(h.Place)
	var proto btf.Proto
	if h.Func != 0 {
		proto, _ = f.Env.BTF.Proto(h.Func)
	}
	at := 0
	for _, field := range h.Decl.Type.Params.List {
		for _, id := range field.Names {
			f.param(h, sig.Params().At(at), id, proto)
			at++
		}
		if len(field.Names) == 0 {
			f.Fail(field, diag.UnknownParam, "a handler's parameters have names", f.has(proto))
		}
	}
}

// function is the one that the handlers at a place are called in.
func (f *File) function(at string) btf.ID {
	if f.Env.BTF == nil || at == "" {
		return 0
	}
	if f.Env.Func != nil {
		return f.Env.Func(at)
	}
	p, err := place.Parse(at)
	if err != nil || !p.IsEntry() {
		return 0
	}
	if ids := f.Env.BTF.Funcs(p.Symbol); len(ids) > 0 {
		return ids[0]
	}
	return 0
}

func (f *File) param(h *Handler, obj *types.Var, id *ast.Ident, proto btf.Proto) {
	switch {
	case f.pointsTo(obj, "regs"):
		f.registers(h, obj, id)
	case f.pointsTo(obj, "trap"):
		f.trapped(h, obj, id)
	case obj.Name() == "_":
		f.Fail(id, diag.UnknownParam, "a handler's parameters have names", f.has(proto))
	case h.Kind == Return:
		f.returned(h, obj, id, proto)
	case h.Kind == Post:
		f.Fail(id, diag.Context, "a post handler is given registers only", "func post(r, was *regs)")
	case h.Kind == Fault:
		f.Fail(id, diag.Context, "a fault handler is given registers and the trap", "func fault(r *regs, t *trap)")
	case h.Func == 0:
		f.Fail(id, diag.UnknownParam, "the parameters of "+where(h.Place)+" are not known", "arg(0), arg(1) … are the argument registers")
	default:
		f.named(h, obj, id, proto)
	}
}

// pointsTo reports whether a parameter is a pointer to a type of the words.
func (f *File) pointsTo(obj *types.Var, word string) bool {
	p, ok := obj.Type().(*types.Pointer)
	if !ok {
		return false
	}
	n, ok := p.Elem().(*types.Named)
	return ok && n.Obj().Name() == word && f.Position(n.Obj().Pos()).Filename == "words"
}

func (f *File) registers(h *Handler, obj *types.Var, id *ast.Ident) {
	switch {
	case !h.has(Registers):
		h.Params = append(h.Params, Param{obj, Registers})
	case h.Kind == Post && !h.has(Before):
		h.Params = append(h.Params, Param{obj, Before})
	default:
		f.Fail(id, diag.Context, "a "+string(h.Kind)+" handler has the registers of one time", "")
	}
}

func (f *File) trapped(h *Handler, obj *types.Var, id *ast.Ident) {
	if h.Kind != Fault || h.has(Trap) {
		f.Fail(id, diag.Context, "one parameter of a fault handler is told of the trap", "")
		return
	}
	h.Params = append(h.Params, Param{obj, Trap})
}

func where(place string) string {
	if place == "" {
		return "the probed place"
	}
	return place
}

func (f *File) named(h *Handler, obj *types.Var, id *ast.Ident, proto btf.Proto) {
	var names []string
	for i, p := range proto.Params {
		if p.Name == obj.Name() || "_"+p.Name == obj.Name() {
			f.typed(obj, id, p.Type)
			h.Params = append(h.Params, Param{obj, i})
			return
		}
		names = append(names, p.Name)
	}
	hint := diag.DidYouMean(obj.Name(), names)
	if hint == "" {
		hint = f.has(proto)
	}
	f.Fail(id, diag.UnknownParam, obj.Name()+" is not a parameter of "+h.Place, hint)
}

func (f *File) has(proto btf.Proto) string {
	var names []string
	for _, p := range proto.Params {
		names = append(names, p.Name)
	}
	if names == nil {
		return ""
	}
	return "it has (" + strings.Join(names, ", ") + ")"
}

// returned is a parameter of a ret handler: an argument of the function by its name,
// what the handler at the entry returned, or what the function returns.
func (f *File) returned(h *Handler, obj *types.Var, id *ast.Ident, proto btf.Proto) {
	for i, p := range proto.Params {
		if p.Name == obj.Name() || "_"+p.Name == obj.Name() {
			f.typed(obj, id, p.Type)
			h.Params = append(h.Params, Param{obj, i})
			return
		}
	}
	switch {
	case h.Pair != nil && !h.has(Entry) && types.Identical(obj.Type(), h.Pair.Data):
		h.Params = append(h.Params, Param{obj, Entry})
		return
	case h.has(Word):
		hint := "a handler at the entry may return a value for it"
		if known := f.has(proto); known != "" {
			hint = known
		}
		f.Fail(id, diag.UnknownParam, obj.Name()+" is neither an argument of "+where(h.Place)+" nor what it returns", hint)
		return
	case h.Func != 0:
		f.typed(obj, id, proto.Return)
	case !types.Identical(obj.Type(), types.Typ[types.Uint64]) && !types.Identical(obj.Type(), types.Typ[types.Int64]):
		f.Fail(id, diag.ParamType, "what "+where(h.Place)+" returns is not known", "take a uint64")
	}
	h.Params = append(h.Params, Param{obj, Word})
}

func (h *Handler) has(index int) bool {
	return slices.ContainsFunc(h.Params, func(p Param) bool { return p.Index == index })
}

// typed refuses a parameter of another type than the probed function's.
func (f *File) typed(obj *types.Var, id *ast.Ident, want btf.ID) {
	typ, ok := f.Kernel.Type(want)
	if !ok {
		f.Fail(id, diag.ParamType, obj.Name()+" is "+f.Env.BTF.TypeString(want)+", which no handler can be given", "")
		return
	}
	if !types.Identical(typ, obj.Type()) {
		f.Fail(id, diag.ParamType, obj.Name()+" is "+f.TypeString(typ)+", not "+f.TypeString(obj.Type()), "write "+obj.Name()+" "+f.TypeString(typ))
	}
}

// TypeString spells a type as a handler does.
func (f *File) TypeString(t types.Type) string {
	return types.TypeString(t, func(*types.Package) string { return "" })
}
