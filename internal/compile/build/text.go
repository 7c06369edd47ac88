package build

import (
	"encoding/binary"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
)

// Strings are bytes up to a NUL in memory of a size that is known when the file
// is compiled. Those of our own are filled up with NULs, so that they can be keys
// and be compared by words.

const (
	commSize = 16  // of a thread's name
	strSize  = 64  // of str(p)
	strMax   = 256 // of str(p, n)
)

// bound is how many bytes a string expression takes at most, with its NUL: that
// of all values that a variable is ever given.
func (s *Shared) bound(e ast.Expr) int { return min(s.boundOf(e, 0), strMax) }

func (s *Shared) boundOf(e ast.Expr, depth int) int {
	e = ast.Unparen(e)
	if v := s.Info.Types[e].Value; v != nil && v.Kind() == constant.String {
		return len(constant.StringVal(v)) + 1
	}
	switch e := e.(type) {
	case *ast.Ident:
		v, _ := s.Info.ObjectOf(e).(*types.Var)
		size := 0
		for _, value := range s.values(v) {
			if depth < 8 {
				size = max(size, s.boundOf(value, depth+1))
			}
		}
		return max(size, stringSize)
	case *ast.SelectorExpr:
		return s.fieldBound(e)
	case *ast.CallExpr:
		if id, ok := e.Fun.(*ast.Ident); ok && id.Name == "str" {
			return s.strBound(e)
		}
	}
	return stringSize
}

func (s *Shared) strBound(e *ast.CallExpr) int {
	if len(e.Args) < 2 {
		return strSize
	}
	if v := s.Info.Types[e.Args[1]].Value; v != nil {
		return int(max(1, min(word(v), strMax)))
	}
	return strSize
}

func (s *Shared) fieldBound(e *ast.SelectorExpr) int {
	sel := s.Info.Selections[e]
	if sel == nil {
		return stringSize
	}
	v, _ := sel.Obj().(*types.Var)
	if f, ok := s.Kernel.Field(v); ok {
		size, _ := s.Env.BTF.Sizeof(f.Type)
		return int(size)
	}
	for st, l := range s.layouts {
		for i := range l.sizes {
			if st.Field(i) == v {
				return l.sizes[i]
			}
		}
	}
	return stringSize
}

// values are all expressions that a string variable is assigned.
func (s *Shared) values(v *types.Var) []ast.Expr {
	if s.assigned == nil {
		s.assigned = map[*types.Var][]ast.Expr{}
		note := func(lhs, rhs ast.Expr) {
			if id, ok := lhs.(*ast.Ident); ok {
				if v, ok := s.Info.ObjectOf(id).(*types.Var); ok {
					s.assigned[v] = append(s.assigned[v], rhs)
				}
			}
		}
		ast.Inspect(s.Syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i := range n.Rhs {
					if len(n.Lhs) == len(n.Rhs) {
						note(n.Lhs[i], n.Rhs[i])
					}
				}
			case *ast.ValueSpec:
				for i := range n.Values {
					if len(n.Names) == len(n.Values) {
						note(n.Names[i], n.Values[i])
					}
				}
			}
			return true
		})
	}
	return s.assigned[v]
}

// value is the place of an expression that is memory.
func (b *builder) value(e ast.Expr) place {
	e = ast.Unparen(e)
	if tv := b.Info.Types[e]; tv.Value != nil {
		p := b.ownTemp(tv.Type, b.bound(e))
		b.copyTo(e, p)
		return p
	}
	if p, ok := b.place(e); ok {
		return p
	}
	b.fail(e, diag.StringOp, "emit the parts one by one", "a handler builds no values of type %s", b.TypeString(b.typeOf(e)))
	return b.ownTemp(types.Typ[types.String], stringSize)
}

// copyTo writes the value of e into memory of our own, all of it.
func (b *builder) copyTo(e ast.Expr, p place) {
	e = ast.Unparen(e)
	if v := b.Info.Types[e].Value; v != nil && v.Kind() == constant.String {
		b.storeText(p, constant.StringVal(v))
		return
	}
	if _, ok := scalar(p.typ); ok {
		b.assign(e, p, b.expr(e))
		return
	}
	switch x := e.(type) {
	case *ast.CompositeLit:
		b.literal(p, x)
		return
	case *ast.CallExpr:
		if w := b.word(x); w != "" {
			b.wordTo(x, w, p)
			return
		}
	}
	b.copyPlace(e, b.value(e), p)
}

// storeText writes a constant string, cut to what fits.
func (b *builder) storeText(p place, text string) {
	bytes := make([]byte, p.size+8)
	copy(bytes[:p.size-1], text)
	chunks(p.size, func(at, n int32) {
		b.store(p.base, p.off+at, n, ir.C(int64(binary.LittleEndian.Uint64(bytes[at:])<<(64-8*n)>>(64-8*n))))
	}, p)
}

// chunks cuts size bytes of one or two places into words that are aligned in each.
func chunks(size int, f func(at, n int32), places ...place) {
	at := int32(0)
	for left := int32(size); left > 0; {
		n := int32(8)
		for n > left || !aligned(places, at, n) {
			n /= 2
		}
		f(at, n)
		at += n
		left -= n
	}
}

func aligned(places []place, at, n int32) bool {
	for _, p := range places {
		if (p.off+at+int32(p.base.Imm))%n != 0 {
			return false
		}
	}
	return true
}

// clear zeroes a place of our own.
func (b *builder) clear(p place) {
	chunks(p.size, func(at, n int32) { b.store(p.base, p.off+at, n, ir.C(0)) }, p)
}

func isString(t types.Type) bool {
	u, ok := t.Underlying().(*types.Basic)
	return ok && u.Info()&types.IsString != 0
}

// copyPlace copies a value.
func (b *builder) copyPlace(at ast.Node, from, to place) {
	_, isScalar := scalar(to.typ)
	switch {
	case isScalar:
		b.assign(at, to, b.load(from))
	case isString(to.typ):
		b.copyText(from, to)
	case from.space == inOwn:
		b.copyOwn(from, to, min(from.size, to.size))
	default:
		b.fetch(ir.Copy, from, to, min(from.size, to.size))
	}
}

func (b *builder) copyOwn(from, to place, n int) {
	chunks(n, func(at, n int32) {
		x := b.reg()
		b.add(ir.Ins{Op: ir.Load, Dst: x, A: from.base, Off: from.off + at, Size: n})
		b.store(to.base, to.off+at, n, ir.R(x))
	}, from, to)
}

// fetch reads n bytes of the kernel's or the process's memory.
func (b *builder) fetch(op ir.Op, from, to place, n int) {
	if b.tries() {
		fn := asm.FnProbeReadKernel
		if op == ir.Text {
			fn = asm.FnProbeReadKernelStr
		}
		to.size = n
		b.try(fn, from, to)
		return
	}
	b.add(ir.Ins{Op: op, A: to.base, Off: to.off, B: from.base, From: from.off, Size: int32(n), User: from.space == inUser})
}

func (b *builder) copyText(from, to place) {
	if from.space != inOwn {
		b.clear(to)
		b.fetch(ir.Text, from, to, to.size)
		return
	}
	n := min(from.size, to.size)
	b.copyOwn(from, to, n)
	if n < from.size {
		b.store(to.base, to.off+int32(n)-1, 1, ir.C(0))
	}
	if n < to.size {
		b.clear(place{base: to.base, off: to.off + int32(n), size: to.size - n})
	}
}

// compareMemory compares strings, structs and arrays by == and !=.
func (b *builder) compareMemory(e *ast.BinaryExpr, yes, no *ir.Block) {
	switch e.Op {
	case token.NEQ:
		yes, no = no, yes
	case token.EQL:
	default:
		b.fail(e, diag.StringOp, "", "strings are compared by == and != only")
	}
	x, y := e.X, e.Y
	if b.Info.Types[x].Value != nil {
		x, y = y, x
	}
	if v := b.Info.Types[y].Value; v != nil && v.Kind() == constant.String {
		b.equalText(b.comparable(x, len(constant.StringVal(v))), constant.StringVal(v), yes, no)
		return
	}
	b.equal(e, b.own(x), y, yes, no)
}

// comparable is a string in our own memory, as much of it as tells whether it
// equals one of n bytes.
func (b *builder) comparable(e ast.Expr, n int) place {
	e = ast.Unparen(e)
	if call, ok := e.(*ast.CallExpr); ok {
		switch b.word(call) {
		case "comm":
			p := b.ownTemp(types.Typ[types.String], commSize)
			b.commTo(call, p)
			b.f.Slots[p.base.Index].Text = true
			p.size = -p.size
			return p
		case "str":
			p := b.ownTemp(types.Typ[types.String], min(n+2, strMax))
			b.textAt(call, p)
			p.size = -p.size // not filled up
			return p
		}
	}
	p := b.value(e)
	if p.space == inOwn {
		return p
	}
	q := b.ownTemp(types.Typ[types.String], min(n+2, p.size))
	b.fetch(ir.Copy, p, q, q.size)
	q.size = -q.size
	return q
}

// own is the value of e in our own memory.
func (b *builder) own(e ast.Expr) place {
	p := b.value(e)
	if p.space == inOwn {
		return p
	}
	q := b.ownTemp(p.typ, p.size)
	b.copyPlace(e, p, q)
	return q
}

// equalText compares with a constant: its bytes and the NUL behind them. Where p
// is filled up with NULs, by whole words.
func (b *builder) equalText(p place, text string, yes, no *ir.Block) {
	filled := p.size > 0
	size := max(p.size, -p.size)
	if len(text) >= size && filled || len(text) > size {
		b.jump(no)
		return
	}
	n := min(len(text)+1, size)
	if filled {
		for _, round := range []int{4, 8} {
			if up := (n + round - 1) &^ (round - 1); up <= size && n > 2 && (n <= 4 || round == 8) {
				n = up
				break
			}
		}
	}
	bytes := make([]byte, n+8)
	copy(bytes, text)
	chunks(n, func(at, n int32) {
		want := int64(binary.LittleEndian.Uint64(bytes[at:]) << (64 - 8*n) >> (64 - 8*n))
		b.same(p, at, n, ir.C(want), no)
	}, p)
	b.jump(yes)
}

// same goes on if n bytes at p+at are x.
func (b *builder) same(p place, at, n int32, x ir.Operand, no *ir.Block) {
	have := b.reg()
	b.add(ir.Ins{Op: ir.Load, Dst: have, A: p.base, Off: p.off + at, Size: n})
	on := b.newBlock()
	b.branch(ir.Eq, n == 8, ir.R(have), x, on, no)
	b.start(on)
}

// equal compares p with the value of e.
func (b *builder) equal(at ast.Node, p place, e ast.Expr, yes, no *ir.Block) {
	if v := b.Info.Types[e].Value; v != nil && v.Kind() == constant.String {
		if p.space != inOwn {
			q := b.ownTemp(p.typ, p.size)
			b.copyPlace(at, p, q)
			p = q
		}
		b.equalText(p, constant.StringVal(v), yes, no)
		return
	}
	q := b.own(e)
	if q.size > p.size {
		p, q = q, p
	}
	chunks(q.size, func(at, n int32) {
		x := b.reg()
		b.add(ir.Ins{Op: ir.Load, Dst: x, A: q.base, Off: q.off + at, Size: n})
		b.same(p, at, n, ir.R(x), no)
	}, p, q)
	if p.size > q.size {
		b.same(p, int32(q.size), 1, ir.C(0), no)
	}
	b.jump(yes)
}

// literal writes T{…} into memory of our own, with padding and what is left out
// as zero.
func (b *builder) literal(p place, e *ast.CompositeLit) {
	switch t := p.typ.Underlying().(type) {
	case *types.Struct:
		b.structLiteral(p, e, t)
	case *types.Array:
		b.arrayLiteral(p, e, t)
	default:
		b.fail(e, diag.MapUse, "", "a value of type %s can't be made here", b.TypeString(p.typ))
	}
}

func (b *builder) structLiteral(p place, e *ast.CompositeLit, t *types.Struct) {
	l := b.layout(t)
	b.clearGaps(p, l, e, t)
	for i, elt := range e.Elts {
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			elt = kv.Value
			v := b.Info.Uses[kv.Key.(*ast.Ident)]
			for i = 0; t.Field(i) != v; i++ {
			}
		}
		if i < len(l.offsets) {
			b.copyTo(elt, place{space: inOwn, typ: t.Field(i).Type(), base: p.base, off: p.off + int32(l.offsets[i]), size: l.sizes[i], room: l.room(i)})
		}
	}
}

// clearGaps zeroes the words of a struct that a literal does not fill.
func (b *builder) clearGaps(p place, l *layout, e *ast.CompositeLit, t *types.Struct) {
	full := make([]bool, p.size)
	for i, elt := range e.Elts {
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			v := b.Info.Uses[kv.Key.(*ast.Ident)]
			for i = 0; t.Field(i) != v; i++ {
			}
		}
		if i >= len(l.offsets) {
			continue
		}
		size := l.sizes[i]
		if n, ok := scalar(t.Field(i).Type()); ok {
			size = int(b.filled(place{base: p.base, off: p.off + int32(l.offsets[i]), room: l.room(i)}, n))
		}
		for at := range size {
			full[l.offsets[i]+at] = true
		}
	}
	chunks(p.size, func(at, n int32) {
		if slices.Contains(full[at:at+n], false) {
			b.store(p.base, p.off+at, n, ir.C(0))
		}
	}, p)
}

func (b *builder) arrayLiteral(p place, e *ast.CompositeLit, t *types.Array) {
	if int64(len(e.Elts)) < t.Len() {
		b.clear(p)
	}
	size := p.size / max(int(t.Len()), 1)
	at := int64(0)
	for _, elt := range e.Elts {
		if kv, ok := elt.(*ast.KeyValueExpr); ok {
			at, _ = b.Shared.index(kv.Key)
			elt = kv.Value
		}
		b.copyTo(elt, place{space: inOwn, typ: t.Elem(), base: p.base, off: p.off + int32(at)*int32(size), size: size})
		at++
	}
}

// index is a constant index of a literal.
func (s *Shared) index(e ast.Expr) (int64, bool) {
	v := s.Info.Types[e].Value
	if v == nil {
		return 0, false
	}
	return word(v), true
}
