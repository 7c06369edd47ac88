package build

import (
	"go/ast"
	"go/types"
	"slices"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/front"
	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
	"ktrap/internal/object"
)

// A task is half of what a helper tells of the thread.
type half struct {
	fn    asm.BuiltinFunc
	upper bool
}

var halves = map[string]half{
	"pid": {asm.FnGetCurrentPidTgid, true}, "tid": {asm.FnGetCurrentPidTgid, false},
	"gid": {asm.FnGetCurrentUidGid, true}, "uid": {asm.FnGetCurrentUidGid, false},
}

// builtin is a word whose value is a scalar.
func (b *builder) builtin(e *ast.CallExpr, w string) ir.Operand {
	if h, ok := halves[w]; ok {
		x := b.call(int32(h.fn), true)
		if h.upper {
			return b.op(ir.Shr, true, x, ir.C(32))
		}
		return b.op(ir.Mov, false, x, ir.Operand{})
	}
	switch w {
	case "cpu":
		return b.op(ir.Mov, false, b.call(int32(asm.FnGetSmpProcessorId), true), ir.Operand{})
	case "nsecs":
		return b.call(int32(asm.FnKtimeGetNs), false)
	case "cgroup":
		return b.call(int32(asm.FnGetCurrentCgroupId), true)
	case "current":
		x := b.call(int32(asm.FnGetCurrentTask), true)
		b.f.Regs[x.Reg].Struct = b.pointee(b.typeOf(e))
		return x
	case "place":
		if b.Env.Part {
			b.fail(e, diag.Context, "", "each event tells its place")
		}
		dst := b.reg()
		b.add(ir.Ins{Op: ir.Point, Dst: dst})
		return b.op(ir.Mov, false, ir.R(dst), ir.Operand{})
	case "arg":
		return b.argument(e)
	case "retval":
		return b.returned(e)
	case "cast":
		return b.retyped(b.expr(e.Args[0]), b.typeOf(e))
	case "user":
		return b.expr(e.Args[0])
	}
	b.fail(e, diag.NotGoHere, "", "%s has no value that can be used here", w)
	return ir.C(0)
}

func (b *builder) argument(e *ast.CallExpr) ir.Operand {
	n, ok := b.constant(e.Args[0])
	if most := int64(len(b.Env.Arch.Args)); !ok || n < 0 || n >= most {
		b.fail(e.Args[0], diag.Argument, "", "arg takes a constant from 0 to %d", most-1)
		return ir.C(0)
	}
	if b.handler.Kind != front.Pre {
		b.fail(e, diag.Context, "", "a %s handler has no arguments", b.handler.Kind)
	}
	dst := b.reg()
	b.add(ir.Ins{Op: ir.Arg, Dst: dst, Off: int32(n), From: raw})
	return ir.R(dst)
}

// raw as an Arg's From means the n-th argument register, not the n-th parameter.
const raw = 1

func (b *builder) returned(e ast.Node) ir.Operand {
	if b.handler.Kind != front.Return {
		b.fail(e, diag.Context, "name the function ret", "only a ret handler has a returned value")
	}
	dst := b.reg()
	b.add(ir.Ins{Op: ir.Ret, Dst: dst})
	return ir.R(dst)
}

// memoryWord is a word whose value is memory, or that has none.
func (b *builder) memoryWord(e *ast.CallExpr, w string) (place, bool) {
	switch w {
	case "comm", "str", "kstack", "ustack":
		p := b.ownTemp(b.typeOf(e), b.bound(e))
		if w == "comm" {
			p.size = commSize
		}
		b.wordTo(e, w, p)
		return p, true
	case "emit":
		b.emit(e, "", e.Args)
		return place{}, true
	case "printf":
		b.printf(e)
		return place{}, true
	}
	b.fail(e, diag.NotGoHere, "", "%s has no meaning here", w)
	return place{}, false
}

// wordTo writes a word's value into memory of our own.
func (b *builder) wordTo(e *ast.CallExpr, w string, p place) {
	switch w {
	case "comm":
		b.commTo(e, p)
	case "str":
		b.clear(p)
		b.textAt(e, p)
	case "kstack", "ustack":
		b.store(p.base, p.off, 8, b.stackID(w == "ustack"))
	default:
		b.fail(e, diag.NotGoHere, "", "%s has no meaning here", w)
	}
}

func (b *builder) commTo(e ast.Node, p place) {
	if p.size < commSize {
		q := b.ownTemp(p.typ, commSize)
		b.commTo(e, q)
		b.copyText(q, p)
		return
	}
	b.clear(p)
	b.comm(p)
}

// comm writes the name up to its NUL: what is behind that stays as it was on 6.1,
// whose strscpy pads nothing.
func (b *builder) comm(p place) {
	b.call(int32(asm.FnGetCurrentComm), false, b.addressOf(p), ir.C(commSize))
}

// addressOf is the address of a place of our own.
func (b *builder) addressOf(p place) ir.Operand {
	switch {
	case p.base.Kind == ir.Frame:
		return p.base.Plus(int64(p.off))
	case p.off == 0:
		return p.base
	}
	return b.op(ir.Add, true, p.base, ir.C(int64(p.off)))
}

// textAt reads the text that str names, as much as p holds.
func (b *builder) textAt(e *ast.CallExpr, p place) {
	if ptr, ok := b.strPointer(e); ok {
		b.readText(b.expr(ptr), b.isUser(ptr), p)
	}
}

// strPointer is what str is given, if it is a pointer, or a word that may be one.
func (b *builder) strPointer(e *ast.CallExpr) (ptr ast.Expr, ok bool) {
	ptr = e.Args[0]
	if len(e.Args) > 1 {
		if n, ok := b.constant(e.Args[1]); !ok || n < 1 || n > strMax {
			b.fail(e.Args[1], diag.Argument, "", "the size of a text is a constant from 1 to %d", strMax)
			return ptr, false
		}
	}
	n, ok := scalar(b.typeOf(ptr))
	if ok && n.wide() {
		return ptr, true
	}
	hint := ""
	if isString(b.typeOf(ptr)) {
		hint = "leave out str"
	}
	b.fail(ptr, diag.Argument, hint, "str takes a pointer, not a %s", b.TypeString(b.typeOf(ptr)))
	return ptr, false
}

func (b *builder) readText(ptr ir.Operand, user bool, p place) {
	if b.tries() {
		from := place{space: inKernel, base: ptr}
		if user {
			from.space = inUser
		}
		b.try(asm.FnProbeReadKernelStr, from, p)
		return
	}
	b.add(ir.Ins{Op: ir.Text, A: p.base, Off: p.off, B: ptr, Size: int32(p.size), User: user})
}

// userStack is BPF_F_USER_STACK.
const userStack = 1 << 8

// stackID is the id of the stack in the file's map of stacks.
func (b *builder) stackID(user bool) ir.Operand {
	flags := int64(0)
	if user {
		flags = userStack
	}
	return b.call(int32(asm.FnGetStackid), false, b.context(), ir.Operand{Kind: ir.Map, Index: b.stacks()}, ir.C(flags))
}

// stacks is the index of the file's map of stacks.
func (s *Shared) stacks() int32 {
	for i, m := range s.Maps {
		if m.Kind == object.StackMap {
			return int32(i)
		}
	}
	s.Maps = append(s.Maps, object.Map{Name: "stacks", Kind: object.StackMap, KeySize: 4, ValueSize: 8 * 127, Entries: 4096})
	return int32(len(s.Maps) - 1)
}

// context is what the program was called with.
func (b *builder) context() ir.Operand {
	dst := b.reg()
	b.add(ir.Ins{Op: ir.Ctx, Dst: dst})
	return ir.R(dst)
}

// isWas reports whether x is the *regs from before the instruction.
func (b *builder) isWas(x ast.Expr) bool {
	id, ok := ast.Unparen(x).(*ast.Ident)
	return ok && slices.ContainsFunc(b.handler.Params, func(p front.Param) bool {
		return p.Index == front.Before && p.Obj == b.Info.Uses[id]
	})
}

// savedReg is a field of a *regs.
func (b *builder) savedReg(p place, v *types.Var) place {
	dst, when := b.reg(), int32(0)
	if p.was {
		when = ir.Before
	}
	for _, r := range b.Env.Arch.Regs {
		if r.Name == v.Name() {
			b.add(ir.Ins{Op: ir.Saved, Dst: dst, Off: int32(r.Offset), From: when})
		}
	}
	return place{space: inReg, typ: v.Type(), reg: dst, fixed: true}
}

// params binds a handler's parameters.
func (b *builder) params() {
	b.pos = b.handler.Decl.Pos()
	for _, p := range b.handler.Params {
		if p.Index < front.Word {
			continue
		}
		n, ok := scalar(p.Obj.Type())
		if !ok {
			b.fail(b.handler.Decl.Name, diag.ParamType, "leave it out", "%s is passed by value, and %s can't be", p.Obj.Name(), b.TypeString(p.Obj.Type()))
			continue
		}
		if p.Index >= 0 && b.handler.Kind == front.Return {
			continue // the entry's, which take binds
		}
		x := ir.Ins{Op: ir.Arg, Off: int32(p.Index)}
		if p.Index == front.Word {
			x = ir.Ins{Op: ir.Ret}
		}
		x.Dst = b.f.NewReg(ir.Info{Struct: b.pointee(p.Obj.Type())})
		b.add(x)
		b.bind(p.Obj, b.narrow(ir.R(x.Dst), n))
	}
}
