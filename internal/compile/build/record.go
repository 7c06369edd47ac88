package build

import (
	"go/ast"
	"go/constant"
	"go/types"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
	"ktrap/internal/object"
)

// Limits of a record, and the frames of a stack in one.
const (
	maxRecord = 4096
	frames    = 64
	noWakeup  = 1 // BPF_RB_NO_WAKEUP: the reader polls
)

// A part is one value of a record: its field, and what writes it once there is a
// record to write to.
type part struct {
	field object.Field
	align int
	write func(to place)
}

func (b *builder) printf(e *ast.CallExpr) {
	v := b.Info.Types[e.Args[0]].Value
	if v == nil {
		b.fail(e.Args[0], diag.Argument, "", "the format of printf is a constant")
		return
	}
	b.emit(e, constant.StringVal(v), e.Args[1:])
}

// emit sends a record: reserve, fill in place, submit. What could end the handler
// happens before there is a record that would have to be given back.
func (b *builder) emit(e *ast.CallExpr, format string, args []ast.Expr) {
	parts := make([]part, 0, len(args))
	for _, arg := range args {
		if p, ok := b.part(arg); ok {
			parts = append(parts, p)
		}
	}
	r := object.Record{Format: format, Fault: b.trap != nil, Size: object.SiteOffset + object.SiteSize}
	if b.Env.Part {
		r.Size = object.PartSize
	}
	for i, p := range parts {
		r.Size = (r.Size + p.align - 1) &^ (p.align - 1)
		parts[i].field.Offset = r.Size
		r.Size += p.field.Size
		r.Fields = append(r.Fields, parts[i].field)
	}
	if r.Size = (r.Size + 7) &^ 7; r.Size > maxRecord {
		b.fail(e, diag.RecordSize, "emit less", "a record of %d bytes is larger than %d", r.Size, maxRecord)
		return
	}
	b.pos = e.Pos()
	site := int64(len(b.Records))
	b.Records = append(b.Records, r)
	if b.Env.Part {
		write(parts, b.memory)
		b.store(b.memory, 0, object.PartSize, ir.C(1))
		return
	}
	rec := b.call(int32(asm.FnRingbufReserve), false, ir.Operand{Kind: ir.Map, Index: ir.Ring}, ir.C(int64(r.Size)), ir.C(0))
	some, full, done := b.newBlock(), b.newBlock(), b.newBlock()
	b.branch(ir.Ne, true, rec, ir.C(0), some, full)
	b.start(some)
	b.header(rec, site)
	write(parts, rec)
	b.call(int32(asm.FnRingbufSubmit), false, rec, ir.C(noWakeup))
	b.jump(done)
	b.start(full)
	b.add(ir.Ins{Op: ir.Tally, Off: object.FullOffset})
	b.jump(done)
	b.start(done)
}

func write(parts []part, rec ir.Operand) {
	for _, p := range parts {
		p.write(place{space: inOwn, base: rec, off: int32(p.field.Offset), size: p.field.Size})
	}
}

func (b *builder) header(rec ir.Operand, site int64) {
	b.store(rec, object.TimeOffset, 8, b.call(int32(asm.FnKtimeGetNs), false))
	b.store(rec, object.PidOffset, 8, b.call(int32(asm.FnGetCurrentPidTgid), true))
	point, lost := b.reg(), b.reg()
	b.add(ir.Ins{Op: ir.Point, Dst: point})
	b.store(rec, object.ProbeOffset, 4, ir.R(point))
	b.store(rec, object.CPUOffset, 4, b.call(int32(asm.FnGetSmpProcessorId), true))
	b.add(ir.Ins{Op: ir.Tallied, Dst: lost, Off: object.FullOffset})
	b.store(rec, object.LostOffset, 8, ir.R(lost))
	b.comm(place{base: rec, off: object.CommOffset})
	b.store(rec, object.SiteOffset, 8, ir.C(site))
}

// part prepares one value of a record.
func (b *builder) part(e ast.Expr) (part, bool) {
	t := b.typeOf(e)
	if n, ok := scalar(t); ok {
		return b.scalarPart(e, t, n), true
	}
	call, _ := ast.Unparen(e).(*ast.CallExpr)
	word := ""
	if call != nil {
		word = b.word(call)
	}
	switch word {
	case "comm", "str":
		return b.textPart(call, word), true
	case "kstack", "ustack":
		return b.stackPart(word == "ustack"), true
	}
	if isString(t) && b.Info.Types[e].Value != nil {
		text := constant.StringVal(b.Info.Types[e].Value)
		return part{object.Field{Name: "text", Kind: object.String, Size: len(text) + 1}, 8, func(to place) { b.storeText(to, text) }}, true
	}
	p := b.value(e)
	size, align := b.size(t, p.size)
	if size == 0 {
		b.fail(e, diag.Argument, "emit its fields", "a value of type %s can't be emitted", b.TypeString(t))
		return part{}, false
	}
	return part{b.Shared.field(label(e), t, 0, size), max(align, 8), func(to place) {
		to.typ = t
		b.copyInto(e, p, to)
	}}, true
}

// copyInto copies to a record, where text need not be filled up.
func (b *builder) copyInto(e ast.Expr, from, to place) {
	if isString(to.typ) && from.space != inOwn {
		b.fetch(ir.Text, from, to, to.size)
		return
	}
	b.copyPlace(e, from, to)
}

func (b *builder) scalarPart(e ast.Expr, t types.Type, n number) part {
	p := part{field: b.Shared.field(label(e), t, 0, n.bits/8), align: n.bits / 8}
	if b.late(e) {
		p.write = func(to place) { b.store(to.base, to.off, int32(n.bits/8), b.expr(e)) }
		return p
	}
	x := b.held(b.expr(e))
	p.write = func(to place) { b.store(to.base, to.off, int32(n.bits/8), x) }
	return p
}

// late reports whether e can be computed when the record is there: it can't end
// the handler.
func (b *builder) late(e ast.Expr) bool {
	ok := !b.tries()
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IndexExpr:
			_, constant := b.constant(n.Index)
			ok = ok && (constant || !b.ours(n.X))
		case *ast.CallExpr:
			w := b.word(n)
			ok = ok && (w != "" || b.Info.Types[n.Fun].IsType())
		}
		return ok
	})
	return ok
}

// ours reports whether an array is memory of our own, or a map.
func (b *builder) ours(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.SelectorExpr:
		return b.ours(e.X)
	case *ast.Ident:
		_, isPointer := b.typeOf(e).Underlying().(*types.Pointer)
		return !isPointer
	}
	return true
}

func (b *builder) textPart(e *ast.CallExpr, word string) part {
	p := part{field: object.Field{Name: label(e), Kind: object.String, Size: b.bound(e)}, align: 8}
	if word == "comm" {
		p.write = b.comm
		return p
	}
	arg, ok := b.strPointer(e)
	if !ok {
		p.write = func(place) {}
		return p
	}
	ptr := b.held(b.expr(arg))
	p.write = func(to place) { b.readText(ptr, b.isUser(arg), to) }
	return p
}

// stackPart takes the stack into the record: its size or an error, then the
// addresses.
func (b *builder) stackPart(user bool) part {
	f := object.Field{Name: "kstack", Kind: object.Stack, Size: 8 + 8*frames}
	flags := int64(0)
	if user {
		f.Name, f.Kind, flags = "ustack", object.UserStack, userStack
	}
	return part{f, 8, func(to place) {
		at := to
		at.off += 8
		n := b.call(int32(asm.FnGetStack), false, b.context(), b.addressOf(at), ir.C(8*frames), ir.C(flags))
		b.store(to.base, to.off, 8, n)
	}}
}

// label names a value of a record by the last word of its expression, or by what
// was computed, if that is short.
func label(e ast.Expr) string {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return label(e.X)
	case *ast.StarExpr:
		return label(e.X)
	case *ast.CallExpr:
		if len(e.Args) == 1 {
			return label(e.Args[0])
		}
		return label(e.Fun)
	case *ast.BinaryExpr, *ast.UnaryExpr:
		if text := types.ExprString(e); len(text) <= maxLabel {
			return text
		}
	}
	return ""
}

const maxLabel = 40
