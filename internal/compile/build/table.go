package build

import (
	"go/ast"
	"go/token"
	"go/types"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/front"
	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
)

// noExist is BPF_NOEXIST.
const noExist = 1

func mapRef(t *table) ir.Operand { return ir.Operand{Kind: ir.Map, Index: t.index} }

// keyBound is the size of a string key: what the longest key of the file takes.
func (s *Shared) keyBound(g *front.Global) int {
	size := 0
	ast.Inspect(s.Syntax, func(n ast.Node) bool {
		if e, ok := n.(*ast.IndexExpr); ok {
			if id, ok := e.X.(*ast.Ident); ok && s.Info.Uses[id] == g.Obj && isString(s.Info.TypeOf(e.Index)) {
				size = max(size, s.bound(e.Index))
			}
		}
		return true
	})
	return max(size, stringSize)
}

// tableIndex recognises m[k].
func (b *builder) tableIndex(e ast.Expr) (*table, ast.Expr, bool) {
	index, ok := ast.Unparen(e).(*ast.IndexExpr)
	if !ok {
		return nil, nil, false
	}
	t := b.table(index.X)
	return t, index.Index, t != nil
}

func (b *builder) table(e ast.Expr) *table {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	v, _ := b.Info.Uses[id].(*types.Var)
	return b.maps[v]
}

// key builds a key on the stack.
func (b *builder) key(t *table, e ast.Expr) ir.Operand {
	p := place{space: inOwn, typ: t.key, base: b.f.NewSlot(t.keySize), size: t.keySize}
	if call, ok := ast.Unparen(e).(*ast.CallExpr); ok && b.isWord(t.key, "stack") {
		b.wordTo(call, b.word(call), p)
		return p.base
	}
	b.copyTo(e, p)
	return p.base
}

// lookUp finds an entry; missing is where there is none.
func (b *builder) lookUp(t *table, key ir.Operand, missing *ir.Block) ir.Operand {
	entry := b.call(int32(asm.FnMapLookupElem), false, mapRef(t), key)
	found := b.newBlock()
	b.branch(ir.Ne, true, entry, ir.C(0), found, missing)
	b.start(found)
	return entry
}

// lookUpOr is m[k] as a value: zero where there is none.
func (b *builder) lookUpOr(e *ast.IndexExpr) place {
	t := b.table(e.X)
	if t == nil {
		b.fail(e, diag.MapUse, "", "only maps that are variables of the file are indexed")
		return place{space: inReg, typ: b.typeOf(e), reg: b.reg()}
	}
	if b.refusedRead(e, t) {
		return place{space: inReg, typ: b.typeOf(e), reg: b.reg()}
	}
	value, _ := b.entry(t, b.key(t, e.Index))
	return value
}

// entry reads an entry's value, and whether there is one.
func (b *builder) entry(t *table, key ir.Operand) (value place, found ir.Operand) {
	ok := b.reg()
	b.move(ok, ir.C(0))
	var to place
	if _, isScalar := scalar(t.val); isScalar {
		to = place{space: inReg, typ: t.val, reg: b.reg()}
		b.move(to.reg, ir.C(0))
	} else {
		to = b.ownTemp(t.val, 0)
		b.clear(to)
	}
	done := b.newBlock()
	ptr := b.lookUp(t, key, done)
	from := place{space: inOwn, typ: t.val, base: ptr, size: to.size}
	if to.space == inReg {
		b.move(to.reg, b.load(from))
	} else {
		b.copyOwn(from, to, to.size)
	}
	b.move(ok, ir.C(1))
	b.jump(done)
	b.start(done)
	return to, ir.R(ok)
}

// commaOk writes v, ok := m[k].
func (b *builder) commaOk(lhs []ast.Expr, t *table, key ast.Expr) {
	if b.refusedRead(key, t) {
		return
	}
	value, found := b.entry(t, b.key(t, key))
	b.assignValue(lhs[0], value)
	b.assignValue(lhs[1], place{space: inReg, typ: types.Typ[types.Bool], reg: found.Reg})
}

// put writes m[k] = v: the value first, as Go may have it.
func (b *builder) put(t *table, key, value ast.Expr) {
	if _, ok := scalar(t.val); ok {
		b.putValue(t, key, b.tag(value))
		return
	}
	v := b.ownTemp(t.val, 0)
	b.copyTo(value, v)
	b.set(t, b.key(t, key), v.base)
}

// putValue writes m[k] = v, which is computed.
func (b *builder) putValue(t *table, key ast.Expr, v place) {
	k := b.key(t, key)
	if v.space == inReg {
		b.set(t, k, b.cell(t, ir.R(v.reg)))
		return
	}
	to := b.ownTemp(t.val, 0)
	b.copyPlace(key, v, to)
	b.set(t, k, to.base)
}

// set is BPF_MAP_UPDATE_ELEM of an entry, new or not.
func (b *builder) set(t *table, key, value ir.Operand) {
	b.Maps[t.index].Puts = true
	b.insert(t, key, value, 0)
}

// cell puts a scalar where a helper can take its address.
func (b *builder) cell(t *table, x ir.Operand) ir.Operand {
	n, _ := scalar(t.val)
	slot := b.f.NewSlot(8)
	b.store(slot, 0, int32(n.bits/8), x)
	return slot
}

func (b *builder) insert(t *table, key, value ir.Operand, flags int64) ir.Operand {
	return b.call(int32(asm.FnMapUpdateElem), false, mapRef(t), key, value, ir.C(flags))
}

// updateEntry writes m[k] op= y. A sum is exact however many CPUs add: an atomic
// addition to the entry, else an insert that fails if another CPU was first, and
// then the addition.
func (b *builder) updateEntry(lhs ast.Expr, t *table, key ast.Expr, op token.Token, rhs ast.Expr) {
	n, ok := scalar(t.val)
	if !ok {
		b.fail(lhs, diag.MapUse, "", "%s has no meaning for a %s", op, b.TypeString(t.val))
		return
	}
	y := b.held(b.operand(rhs, op, n))
	k := b.key(t, key)
	if n.bits >= 32 && (op == token.ADD || op == token.SUB) {
		if op == token.SUB {
			y = b.op(ir.Neg, n.wide(), y, ir.Operand{})
		}
		b.sum(t, n, k, y)
		return
	}
	old, _ := b.entry(t, k)
	x := b.combine(op, n, ir.R(old.reg), y, rhs)
	b.set(t, k, b.cell(t, x))
}

// sum adds y to an entry, or to what found no room.
func (b *builder) sum(t *table, n number, key, y ir.Operand) {
	entry := b.reg()
	add, insert, again, over, done := b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock()
	look := func(missing *ir.Block) {
		b.move(entry, b.call(int32(asm.FnMapLookupElem), false, mapRef(t), key))
		b.branch(ir.Ne, true, ir.R(entry), ir.C(0), add, missing)
	}
	look(insert)
	b.start(add)
	b.add(ir.Ins{Op: ir.Atomic, A: ir.R(entry), B: y, Size: int32(n.bits / 8)})
	b.jump(done)
	b.start(insert)
	r := b.insert(t, key, b.cell(t, y), noExist)
	b.branch(ir.Eq, true, r, ir.C(0), done, again)
	b.start(again)
	look(over)
	b.start(over)
	b.move(entry, b.varsAt(b.Maps[t.index].Over))
	b.jump(add)
	b.start(done)
}

// varsAt is the address of a variable of ours.
func (b *builder) varsAt(offset int) ir.Operand {
	dst := b.reg()
	b.add(ir.Ins{Op: ir.Vars, Dst: dst, Off: int32(offset)})
	return ir.R(dst)
}

// remove writes delete(m, k).
func (b *builder) remove(e *ast.CallExpr) {
	t := b.table(e.Args[0])
	if t == nil {
		b.fail(e.Args[0], diag.MapUse, "", "only maps that are variables of the file are used")
		return
	}
	b.call(int32(asm.FnMapDeleteElem), false, mapRef(t), b.key(t, e.Args[1]))
}
