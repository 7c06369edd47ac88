package build

import (
	"go/ast"
	"go/types"

	"ktrap/internal/btf"
	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
)

// A space is where a place is.
type space uint8

const (
	inReg    space = iota
	inOwn          // memory of the program: the stack, a map's value, a record
	inKernel       // the kernel's
	inUser         // the process's
)

// A place is where a value is. The zero place is none.
type place struct {
	space space
	typ   types.Type
	reg   ir.Reg     // inReg
	base  ir.Operand // else: an address, and bytes from there
	off   int32
	size  int  // bytes, of memory
	room  int  // bytes from off that are its own, with padding; 0: as many as its size
	shift int  // of a bitfield: bits from off
	bits  int  // of a bitfield: its width, else 0
	fixed bool // may not be assigned: a range variable's array
	was   bool // of a *regs: it is the one from before the instruction
}

// place finds where a variable, field, element or pointed-to value is.
func (b *builder) place(e ast.Expr) (place, bool) {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return b.identPlace(e)
	case *ast.SelectorExpr:
		return b.fieldPlace(e)
	case *ast.IndexExpr:
		return b.elementPlace(e)
	case *ast.StarExpr:
		return b.pointedTo(e.X)
	case *ast.CompositeLit:
		p := b.ownTemp(b.typeOf(e), 0)
		b.literal(p, e)
		return p, true
	case *ast.CallExpr:
		return b.callPlace(e)
	}
	return place{}, false
}

// ownTemp is memory for a value of t until the end of the statement.
func (b *builder) ownTemp(t types.Type, bound int) place {
	size, _ := b.size(t, bound)
	return place{space: inOwn, typ: t, base: b.f.NewSlot(size), size: size}
}

func (b *builder) identPlace(e *ast.Ident) (place, bool) {
	v, ok := b.Info.ObjectOf(e).(*types.Var)
	if !ok {
		return place{}, false
	}
	if p, ok := b.vars[v]; ok {
		return p, true
	}
	at, ok := b.Shared.vars[v]
	if !ok {
		return place{}, false
	}
	size, _ := b.size(v.Type(), 0)
	return b.variable(v.Type(), at, size), true
}

// near is how far from an address a load or store can reach, rounded down.
const near = 1 << 14

// variable is the place of a variable of the file.
func (b *builder) variable(t types.Type, at, size int) place {
	base := b.reg()
	b.add(ir.Ins{Op: ir.Vars, Dst: base, Off: int32(at &^ (near - 1))})
	return place{space: inOwn, typ: t, base: ir.R(base), off: int32(at & (near - 1)), size: size}
}

func (b *builder) fieldPlace(e *ast.SelectorExpr) (place, bool) {
	sel := b.Info.Selections[e]
	if sel == nil || sel.Kind() != types.FieldVal {
		return place{}, false
	}
	p, ok := b.selected(e.X)
	if !ok {
		return place{}, false
	}
	for _, i := range sel.Index() {
		if p, ok = b.field(e, p, i); !ok {
			return place{}, false
		}
	}
	return p, true
}

// selected is the place whose field is selected: what a pointer points to.
func (b *builder) selected(x ast.Expr) (place, bool) {
	if _, ok := b.typeOf(x).Underlying().(*types.Pointer); ok {
		return b.pointedTo(x)
	}
	if p, ok := b.place(x); ok {
		return p, true
	}
	b.fail(x, diag.NotGoHere, "", "a field of this value can't be taken")
	return place{}, false
}

// pointedTo is the place behind a pointer: memory of the kernel, or of the
// process where the chain passed through user.
func (b *builder) pointedTo(x ast.Expr) (place, bool) {
	to := b.typeOf(x).Underlying().(*types.Pointer).Elem()
	if b.isWord(to, "regs") || b.isWord(to, "trap") {
		return place{space: inOwn, typ: to, was: b.isWas(x)}, true
	}
	s := inKernel
	if b.isUser(x) {
		s = inUser
	}
	return b.behind(b.expr(x), to, s), true
}

func (b *builder) behind(ptr ir.Operand, t types.Type, s space) place {
	return place{space: s, typ: t, base: ptr, size: b.kernelSize(t)}
}

// isUser reports whether a chain of fields began at user(p).
func (b *builder) isUser(x ast.Expr) bool {
	switch x := ast.Unparen(x).(type) {
	case *ast.SelectorExpr:
		return b.isUser(x.X)
	case *ast.IndexExpr:
		return b.isUser(x.X)
	case *ast.StarExpr:
		return b.isUser(x.X)
	case *ast.CallExpr:
		return b.word(x) == "user"
	}
	return false
}

// kernelSize is how many bytes a value takes in the kernel's memory.
func (b *builder) kernelSize(t types.Type) int {
	if b.Kernel.ID(t) != 0 {
		return b.Kernel.Size(t)
	}
	if a, ok := t.Underlying().(*types.Array); ok {
		return int(a.Len()) * b.kernelSize(a.Elem())
	}
	size, _ := b.size(t, 0)
	return size
}

// field is the i-th field of a place; through a pointer, of what it points to.
func (b *builder) field(e *ast.SelectorExpr, p place, i int) (place, bool) {
	if ptr, ok := p.typ.Underlying().(*types.Pointer); ok {
		s := p.space
		if s != inUser {
			s = inKernel
		}
		p = b.behind(b.load(p), ptr.Elem(), s)
	}
	st := p.typ.Underlying().(*types.Struct)
	v := st.Field(i)
	if f, ok := b.Kernel.Field(v); ok {
		p.off += int32(f.Offset)
		p.shift, p.bits = f.Shift, f.Bits
		p.typ = v.Type()
		size, _ := b.Env.BTF.Sizeof(f.Type)
		p.size = int(size)
		return p, true
	}
	if b.isWord(p.typ, "regs") {
		return b.savedReg(p, v), true
	}
	if b.isWord(p.typ, "trap") {
		return b.trapField(v), true
	}
	l := b.layout(st)
	if i >= len(l.offsets) {
		b.fail(e, diag.ValueSize, "", "%s can't be a value here", b.TypeString(p.typ))
		return place{}, false
	}
	p.off += int32(l.offsets[i])
	p.typ, p.size, p.room = v.Type(), l.sizes[i], l.room(i)
	return p, true
}

func (b *builder) elementPlace(e *ast.IndexExpr) (place, bool) {
	switch t := b.typeOf(e.X).Underlying().(type) {
	case *types.Array:
		p, ok := b.place(e.X)
		if !ok {
			return place{}, false
		}
		return b.element(e, p, t), true
	case *types.Pointer: // to an array
		p, ok := b.pointedTo(e.X)
		if !ok {
			return place{}, false
		}
		return b.element(e, p, arrayOf(t.Elem())), true
	case *types.Basic: // a text
		return b.byteOf(e)
	case *types.Map:
		return b.lookUpOr(e), true
	}
	return place{}, false
}

// byteOf is text[index]. One of the kernel's own is read where it stands; behind the
// end of any other there are zeros, up to the size that it has at most.
func (b *builder) byteOf(e *ast.IndexExpr) (place, bool) {
	p, ok := b.place(e.X)
	if !ok || p.space == inReg {
		return place{}, false
	}
	t := types.NewArray(types.Typ[types.Uint8], int64(p.size))
	if i, ok := b.folded(e.Index); ok && p.size != 0 && i >= int64(p.size) {
		b.fail(e.Index, diag.IndexRange, "", "index %d is outside of a text of %d bytes at most", i, p.size)
		return b.elementAt(p, t, 0), true
	}
	return b.element(e, p, t), true
}

func arrayOf(t types.Type) *types.Array { return t.Underlying().(*types.Array) }

// element is p[index]. A constant index was checked by Go; any other one that is
// outside of our own memory ends the handler, in the kernel's it reads what is
// there.
func (b *builder) element(e *ast.IndexExpr, p place, t *types.Array) place {
	i, known := b.folded(e.Index)
	if known && i >= 0 && (i < t.Len() || p.space != inOwn) && i*int64(b.elementSize(p, t))+int64(p.off) < near {
		return b.elementAt(p, t, i)
	}
	// The copy is what is checked and then moved: the verifier learns the bound of
	// one register only.
	index, at := b.index(e.Index), b.reg()
	b.move(at, index)
	if p.space == inOwn && !b.inBounds(e.Index, t.Len()) {
		ok := b.newBlock()
		b.branch(ir.Lt, true, ir.R(at), ir.C(t.Len()), ok, b.exit)
		b.start(ok)
	}
	if p.base.Kind != ir.Frame {
		return b.elementFrom(p, t, at)
	}
	if !known {
		b.fail(e, diag.NotGoHere, "declare the array as a variable of the file", "an array of a function is indexed by constants, and by what counts a loop of at most %d turns", maxUnrolled)
	}
	return b.elementAt(p, t, 0) // which nothing comes by
}

// elementAt is element i of an array, without a check.
func (b *builder) elementAt(p place, t *types.Array, i int64) place {
	size := b.elementSize(p, t)
	p.typ, p.size, p.room = t.Elem(), size, 0
	p.off += int32(i) * int32(size)
	return p
}

// elementFrom is the element whose number a register holds, without a check.
func (b *builder) elementFrom(p place, t *types.Array, at ir.Reg) place {
	size := b.elementSize(p, t)
	p.typ, p.size, p.room = t.Elem(), size, 0
	scaled := b.op(ir.Mul, true, ir.R(at), ir.C(int64(size)))
	if p.space != inOwn {
		p.base = b.plain(p.base)
	}
	p.base = b.op(ir.Add, true, p.base, scaled)
	return p
}

func (b *builder) elementSize(p place, t *types.Array) int {
	if p.space != inOwn {
		return b.kernelSize(t.Elem())
	}
	return p.size / max(int(t.Len()), 1)
}

// index is an index as 64 bits; one below zero is a large one.
func (b *builder) index(e ast.Expr) ir.Operand {
	n, _ := scalar(b.typeOf(e))
	return b.convert(b.expr(e), n, word64)
}

// plain makes a number of a kernel pointer.
func (b *builder) plain(x ir.Operand) ir.Operand {
	if x.Kind != ir.Value {
		return x
	}
	dst := b.reg()
	b.add(ir.Ins{Op: ir.Plain, Dst: dst, A: x})
	return ir.R(dst)
}

// load reads a scalar from a place.
func (b *builder) load(p place) ir.Operand {
	if p.space == inReg {
		return ir.R(p.reg)
	}
	n, ok := scalar(p.typ)
	if !ok {
		return ir.C(0)
	}
	if p.bits != 0 {
		return b.loadBits(p, n)
	}
	x := b.read(p, int32(n.bits/8))
	if n.signed && n.bits < 32 {
		return b.narrow(x, n)
	}
	return x
}

// read reads size bytes, zero-extended.
func (b *builder) read(p place, size int32) ir.Operand {
	if p.space != inOwn && b.tries() {
		return b.tried(p, size)
	}
	dst := b.f.NewReg(ir.Info{Struct: b.pointee(p.typ)})
	op := ir.Load
	if p.space != inOwn {
		op = ir.Read
	}
	b.add(ir.Ins{Op: op, Dst: dst, A: p.base, Off: p.off, Size: size, User: p.space == inUser})
	return ir.R(dst)
}

// loadBits reads a bitfield: the fewest aligned bytes that hold it, shifted so
// that its top bit and then its lowest bit are at the ends.
func (b *builder) loadBits(p place, n number) ir.Operand {
	first, last := 8*int(p.off)+p.shift, 8*int(p.off)+p.shift+p.bits
	size := 8
	for _, s := range []int{1, 2, 4} {
		if first/(8*s) == (last-1)/(8*s) {
			size = s
			break
		}
	}
	p.off = int32(first / (8 * size) * size)
	shift := first - 8*int(p.off)
	x := b.read(place{space: p.space, typ: types.Typ[types.Uint64], base: p.base, off: p.off}, int32(size))
	if !n.signed {
		if shift > 0 {
			x = b.op(ir.Shr, true, x, ir.C(int64(shift)))
		}
		if shift+p.bits < 8*size {
			x = b.op(ir.And, true, x, ir.C(1<<p.bits-1))
		}
		return x
	}
	x = b.op(ir.Shl, true, x, ir.C(int64(64-shift-p.bits)))
	x = b.op(ir.Sar, true, x, ir.C(int64(64-p.bits)))
	return b.narrow(x, n)
}

// assign stores a scalar into a place.
func (b *builder) assign(at ast.Node, p place, x ir.Operand) {
	switch {
	case p.space == inReg:
		b.move(p.reg, x)
	case p.space != inOwn:
		b.fail(at, diag.KernelWrite, "", "a handler reads the kernel and never writes to it")
	default:
		n, _ := scalar(p.typ)
		b.store(p.base, p.off, b.filled(p, n), x)
	}
}

// filled is how many bytes a scalar's store takes: those of the padding behind it as
// well, which are zero as a register's upper bits are.
func (b *builder) filled(p place, n number) int32 {
	size := int32(n.bits / 8)
	for !(n.signed && n.bits < 32) && int(2*size) <= min(p.room, 8) && aligned([]place{p}, 0, 2*size) {
		size *= 2
	}
	return size
}

func (b *builder) store(base ir.Operand, off, size int32, x ir.Operand) {
	b.add(ir.Ins{Op: ir.Store, A: base, B: x, Off: off, Size: size})
}

// pointee is the kernel's struct that values of t point to, or 0.
func (b *builder) pointee(t types.Type) btf.ID {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		return b.Kernel.ID(p.Elem())
	}
	return 0
}
