// Package compile makes BPF programs of handlers written in Go.
//
// The way of a file, a room a step:
//
//	front   text → checked syntax tree, with the kernel's types in scope
//	build   syntax tree → IR, functions inlined
//	opt     IR → less IR
//	lower   IR → what the target's context and kernel have for it
//	emit    registers given out, encoded, with a Go line for each instruction
//
// Check does what is the same for every target and says what the handlers need of
// one; the plan chooses; Emit writes the program for it.
package compile

import (
	"go/token"
	"slices"
	"strings"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/compile/build"
	"ktrap/internal/compile/emit"
	"ktrap/internal/compile/front"
	"ktrap/internal/compile/ir"
	"ktrap/internal/compile/lower"
	"ktrap/internal/diag"
	"ktrap/internal/ledger"
	"ktrap/internal/object"

	"github.com/cilium/ebpf/asm"
)

// Source is a handler file.
type Source = front.Source

// Env is what a file is checked against. The zero Env has no kernel types.
type Env = front.Env

// Line is a line of what a pass leaves.
type Line = ir.Line

// Target is what a handler is emitted for.
type Target = lower.Target

// Site is a probed instruction that a post handler is told of.
type Site = lower.Site

// Program is one of the two that such a handler may need.
type Program = lower.Program

// The programs.
const (
	Computing = lower.Computing
	Keeping   = lower.Keeping
	Taking    = lower.Taking
)

// Unit is a checked file.
type Unit struct {
	Handlers []*Handler
	Maps     []object.Map // the first holds the file's variables
	Records  []object.Record
	file     *front.File
}

// Handler is a checked handler.
type Handler struct {
	Name  string
	Kind  front.Kind
	Place string // "" if there is none
	Given bool   // Place is not the file's, but Env's
	Func  btf.ID // of the probed function, 0 if its types are not known
	Needs Needs
	Calls string // the map of calls that have begun, of a handler that is Paired
	unit  *Unit
	ir    *ir.Func
	args  lower.Args
	decl  token.Pos
}

// Needs is what a handler takes of its context.
type Needs struct {
	Args   bool // arguments of the probed function
	Direct bool // each argument of the function is in a register of its own
	Ret    bool // the returned value
	Regs   bool // saved registers
	Stack  bool // the kernel's or the process's stack
	Emits  bool // records
	Paired bool // another handler's, at the entry or the return of the same call
}

// Check reads and checks a file. The list is empty if the Unit is not nil.
func Check(src Source, env Env) (*Unit, diag.List) {
	f, errs := front.Check(src, env)
	if f == nil {
		return nil, errs
	}
	u := &Unit{file: f}
	shared := build.Share(f)
	for _, h := range f.Handlers {
		u.Handlers = append(u.Handlers, &Handler{
			Name: h.Decl.Name.Name, Kind: h.Kind, Place: h.Place, Given: h.Given, Func: h.Func,
			unit: u, ir: build.Handler(shared, h), decl: h.Decl.Pos(), args: argsOf(f, h.Func),
		})
	}
	for _, h := range f.Faults {
		build.Check(shared, h)
	}
	if errs := f.Errs(); len(errs) > 0 {
		return nil, errs
	}
	u.Maps, u.Records = shared.Maps, shared.Records
	for _, h := range u.Handlers {
		run(early, &state{f: h.ir})
		h.Needs = needs(h)
	}
	for i, h := range f.Handlers {
		u.Handlers[i].Calls = shared.Calls(h)
		if h.Kind == front.Post {
			u.Handlers[i].Calls = build.Steps
		}
	}
	u.agree(f.Handlers)
	return u, nil
}

// argsOf finds where a function's arguments are.
func argsOf(f *front.File, fn btf.ID) (a lower.Args) {
	if fn == 0 {
		return a
	}
	spec := f.Env.BTF
	proto, err := spec.Proto(fn)
	if err != nil {
		return a
	}
	var sizes []int
	for _, p := range proto.Params {
		sizes = append(sizes, int(p.Size))
		a.Structs = append(a.Structs, pointsToStruct(spec, p.Type))
		a.Maybe = append(a.Maybe, strings.HasSuffix(p.Name, "__nullable")) // 8aeaed21befc (6.12)
	}
	a.Locs = f.Env.Arch.Place(sizes)
	return a
}

func pointsToStruct(spec *btf.Spec, id btf.ID) bool {
	p, err := spec.Strip(id)
	if err != nil || p.Kind != btf.Pointer {
		return false
	}
	to, err := spec.Strip(p.Elem)
	return err == nil && (to.Kind == btf.Struct || to.Kind == btf.Union)
}

// agree makes the needs of both handlers of a pair one, since a pair is of one
// mechanism.
func (u *Unit) agree(handlers []*front.Handler) {
	both := map[*front.Pair]Needs{}
	for i, h := range handlers {
		if h.Pair != nil {
			n, other := u.Handlers[i].Needs, both[h.Pair]
			both[h.Pair] = Needs{
				Args: n.Args || other.Args, Direct: n.Direct, Ret: n.Ret || other.Ret, Regs: n.Regs || other.Regs,
				Stack: n.Stack || other.Stack, Emits: n.Emits || other.Emits, Paired: true,
			}
		}
	}
	for i, h := range handlers {
		if h.Pair != nil {
			u.Handlers[i].Needs = both[h.Pair]
		}
	}
}

func needs(h *Handler) (n Needs) {
	n.Direct = true
	for _, loc := range h.args.Locs {
		n.Direct = n.Direct && loc.Words == 1 && loc.Reg != arch.OnStack
	}
	for _, b := range h.ir.Blocks {
		for _, in := range b.Ins {
			switch in.Op {
			case ir.Arg:
				n.Args = true
			case ir.Ret:
				n.Ret = true
			case ir.Saved:
				n.Regs = true
			case ir.Call:
				fn := asm.BuiltinFunc(in.Fn)
				n.Stack = n.Stack || fn == asm.FnGetStack || fn == asm.FnGetStackid
				n.Emits = n.Emits || fn == asm.FnRingbufReserve
			}
		}
	}
	n.Regs = n.Regs || n.Ret && h.returnsNothing()
	return n
}

// returnsNothing reports whether the probed function is known to return nothing: then
// retval is what a register holds, and a trampoline has none of it to give.
func (h *Handler) returnsNothing() bool {
	if h.Func == 0 {
		return false
	}
	proto, err := h.unit.file.Env.BTF.Proto(h.Func)
	return err == nil && proto.Return == 0
}

// mapName is how the program calls a map.
func (u *Unit) mapName(index int32) string {
	switch index {
	case ir.Ring:
		return object.Ring
	case ir.Counts:
		return object.Counts
	case ir.State:
		return object.State
	}
	return u.Maps[index].Name
}

// Emit writes the handler's program for t.
func (h *Handler) Emit(t Target) (*object.Handler, error) { return h.EmitWatched(t, nil) }

// EmitWatched is Emit; watch, if not nil, is told what each pass leaves.
func (h *Handler) EmitWatched(t Target, watch func(pass string, lines []Line)) (*object.Handler, error) {
	if t.Arch == nil {
		t.Arch = h.unit.file.Env.Arch
	}
	if t.Types = h.unit.file.Env.BTF; t.Types != nil && t.Types.Base() != nil {
		t.Module = t.Types.First()
	}
	if t.Site != nil {
		t.Steps = int32(slices.IndexFunc(h.unit.Maps, func(m object.Map) bool { return m.Name == build.Steps }))
	}
	s := &state{f: h.ir.Clone(), target: t, args: h.args, watch: watch}
	s.tell("checked")
	run(late, s)
	code, err := emit.Func(s.f, h.unit.mapName)
	if err != nil {
		return nil, h.explain(err)
	}
	o := &object.Handler{Program: object.Program{Context: t.Context}, Name: h.Name}
	if t.Bare {
		o.Insns, o.Lines = code.Insns, h.lines(code.Pos)
		return o, nil
	}
	o.Insns = ledger.Enter(t.Point)
	o.Lines = make([]token.Position, len(o.Insns))
	o.Insns = append(o.Insns, h.labelled(code.Insns)...)
	o.Lines = append(o.Lines, h.lines(code.Pos)...)
	tail := ledger.Count(object.UnarmedOffset)
	tail[0] = tail[0].WithSymbol(ledger.Unarmed)
	tail = append(tail, asm.Mov.Imm(asm.R0, 0), asm.Return())
	o.Insns = append(o.Insns, tail...)
	o.Lines = append(o.Lines, make([]token.Position, len(tail))...)
	return o, nil
}

// labelled marks where the program ends, which the ledger's beginning jumps to.
func (h *Handler) labelled(insns asm.Instructions) asm.Instructions {
	for i := len(insns) - 1; i > 0; i-- {
		if insns[i].OpCode.JumpOp() == asm.Exit {
			insns[i-1] = insns[i-1].WithSymbol(ledger.Out)
			break
		}
	}
	return insns
}

// Line is the line of the file that a position is in; 0 for none.
func (h *Handler) Line(pos token.Pos) int {
	if !pos.IsValid() {
		return 0
	}
	return h.unit.file.Position(pos).Line
}

func (h *Handler) lines(pos []token.Pos) []token.Position {
	lines := make([]token.Position, len(pos))
	for i, p := range pos {
		if p.IsValid() {
			lines[i] = h.unit.file.Position(p)
		}
	}
	return lines
}

// explain makes a mistake of the handler of what the encoder refused.
func (h *Handler) explain(err error) error {
	e := err.(*emit.Error)
	pos := e.Pos
	if !pos.IsValid() {
		pos = h.decl
	}
	code := diag.TooLong
	hint := "emit less, or make it several handlers"
	if e.Msg == emit.ErrStack {
		code, hint = diag.StackSize, "shorter strings take less: str(p, 32)"
	}
	return diag.List{{Code: code, Pos: h.unit.file.Position(pos), Msg: e.Msg, Hint: hint}}
}
