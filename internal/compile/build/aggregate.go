package build

import (
	"go/ast"
	"go/types"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/front"
	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
	"ktrap/internal/object"
)

// single is a hist or stat that is a variable of its own: one on each CPU.
func (s *Shared) single(g *front.Global) bool {
	m := object.Map{Name: g.Obj.Name(), Kind: object.PerCPUArray, KeySize: 4, Entries: 1}
	if !s.aggregate(&m, g, g.Obj.Type()) {
		return false
	}
	if m.Kind = object.PerCPUArray; m.Shape == object.Hist {
		m.Entries, m.ValueSize = m.Scale.Buckets(), 8
	}
	s.maps[g.Obj] = &table{index: int32(len(s.Maps)), val: g.Obj.Type()}
	s.Maps = append(s.Maps, m)
	return true
}

// aggregate makes t the value of a map, if it is a hist or a stat. A stat's least
// and greatest can't be kept by several CPUs at once, for there is no atomic
// comparison before 5.12 (5ffa25502b5a): each has its own.
func (s *Shared) aggregate(m *object.Map, g *front.Global, t types.Type) bool {
	switch {
	case s.isWord(t, "hist"):
		m.Shape, m.Scale = object.Hist, s.scale(g)
		m.ValueSize = 8 * m.Scale.Buckets()
	case s.isWord(t, "stat"):
		m.Shape, m.Kind, m.ValueSize = object.Stat, object.PerCPUHash, object.StatSize
	default:
		return false
	}
	return true
}

// scale is that of a histogram's calls, which must all have the same.
func (s *Shared) scale(g *front.Global) (scale object.Scale) {
	known := false
	ast.Inspect(s.Syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || s.counted(sel.X) != g.Obj {
			return true
		}
		switch found := s.scaleOf(call, sel); {
		case !known:
			scale, known = found, true
		case found != scale:
			s.Fail(sel.Sel, diag.Argument, g.Obj.Name()+" has another scale elsewhere", "a histogram has one scale")
		}
		return true
	})
	return scale
}

// counted is the variable that x.add or x[k].add counts in.
func (s *Shared) counted(x ast.Expr) types.Object {
	if index, ok := ast.Unparen(x).(*ast.IndexExpr); ok {
		x = index.X
	}
	id, _ := ast.Unparen(x).(*ast.Ident)
	return s.Info.Uses[id]
}

// maxBuckets is how many buckets a linear histogram may have.
const maxBuckets = maxValue/8 - 2

func (s *Shared) scaleOf(call *ast.CallExpr, sel *ast.SelectorExpr) object.Scale {
	if sel.Sel.Name != "linear" || len(call.Args) != 4 {
		return object.Scale{}
	}
	var n [3]int64
	for i, arg := range call.Args[1:] {
		v := s.Info.Types[arg].Value
		if v == nil {
			s.Fail(arg, diag.Argument, "the scale of a histogram is of constants", "")
			return object.Scale{}
		}
		n[i] = word(v)
	}
	scale := object.Scale{Least: n[0], Most: n[1], Step: n[2]}
	span := uint64(scale.Most) - uint64(scale.Least)
	if scale.Step <= 0 || scale.Least >= scale.Most || span/uint64(scale.Step) >= maxBuckets {
		s.Fail(call, diag.Argument, "this scale can't be that of a histogram", "linear(v, LEAST, MOST, STEP) has at most 510 steps")
		return object.Scale{}
	}
	return scale
}

// overflow gives map i where what finds no room is added up.
func (s *Shared) overflow(i int) {
	m := &s.Maps[i]
	isSum := m.Shape == object.Plain && (m.Value.Kind == object.Uint || m.Value.Kind == object.Int) && m.ValueSize >= 4
	switch {
	case m.Kind == object.PerCPUHash:
		s.zeros = max(s.zeros, m.ValueSize)
		m.Other = m.Name + ".other"
		s.Maps = append(s.Maps, object.Map{Name: m.Other, Kind: object.PerCPUArray, KeySize: 4, ValueSize: m.ValueSize, Entries: 1, Shape: m.Shape, Hidden: true})
	case m.Kind == object.HashMap && m.Shape == object.Hist:
		s.zeros = max(s.zeros, m.ValueSize)
		m.Over = s.hidden(m.ValueSize)
	case m.Kind == object.HashMap && isSum:
		m.Over = s.hidden(m.ValueSize)
	}
}

// hidden is room for size bytes behind the file's variables, never at 0.
func (s *Shared) hidden(size int) int {
	vars := &s.Maps[varsMap]
	at := max(8, (len(vars.Init)+7)&^7)
	vars.Init = append(vars.Init, make([]byte, at+size-len(vars.Init))...)
	return at
}

// refusedRead notes that an aggregate's value is read, which user space alone can.
func (b *builder) refusedRead(at ast.Node, t *table) bool {
	if b.Maps[t.index].Shape == object.Plain {
		return false
	}
	b.fail(at, diag.MapUse, "add a value: m[k].add(v)", "a %s is read when the probe ends", b.TypeString(t.val))
	return true
}

// method is a call of x.f: only histograms and stats have one.
func (b *builder) method(e *ast.CallExpr, sel *ast.SelectorExpr) bool {
	t, key, _ := b.tableIndex(sel.X)
	if t == nil {
		t = b.table(sel.X)
	}
	if t == nil || b.Maps[t.index].Shape == object.Plain || (key == nil) != (t.key == nil) {
		b.fail(e.Fun, diag.Method, "", "%s can't be called in a handler", sel.Sel.Name)
		return false
	}
	n, ok := scalar(b.typeOf(e.Args[0]))
	if !ok {
		b.fail(e.Args[0], diag.Argument, "", "a %s counts integers", b.TypeString(t.val))
		return false
	}
	m := &b.Maps[t.index]
	x := b.held(b.convert(b.expr(e.Args[0]), n, word64))
	switch {
	case m.Shape == object.Stat:
		b.addStat(t, key, x)
	case m.Scale.Step != 0:
		b.tick(t, key, b.linear(m.Scale, n, x))
	default:
		m.Signed = m.Signed || n.signed
		b.tick(t, key, b.bits(x))
	}
	return true
}

// bits is x's number of bits, which a search by halves finds.
func (b *builder) bits(x ir.Operand) ir.Reg {
	bits, rest := b.reg(), b.reg()
	b.move(bits, ir.C(0))
	b.move(rest, x)
	for _, half := range []int64{32, 16, 8, 4, 2, 1} {
		upper, next := b.newBlock(), b.newBlock()
		b.branch(ir.Ge, true, ir.R(rest), ir.C(1<<half), upper, next)
		b.start(upper)
		b.add(ir.Ins{Op: ir.Add, Wide: true, Dst: bits, A: ir.R(bits), B: ir.C(half)})
		b.add(ir.Ins{Op: ir.Shr, Wide: true, Dst: rest, A: ir.R(rest), B: ir.C(half)})
		b.jump(next)
		b.start(next)
	}
	b.add(ir.Ins{Op: ir.Add, Wide: true, Dst: bits, A: ir.R(bits), B: ir.R(rest)})
	return bits
}

// linear is the bucket of x on a linear scale.
func (b *builder) linear(s object.Scale, n number, x ir.Operand) ir.Reg {
	bucket := b.reg()
	inside, done := b.newBlock(), b.newBlock()
	if n.signed || s.Least > 0 {
		from := b.newBlock()
		b.move(bucket, ir.C(0))
		b.branch(n.cond(ir.Lt), true, x, ir.C(s.Least), done, from)
		b.start(from)
	}
	b.move(bucket, ir.C(int64(s.Buckets()-1)))
	if !n.signed && s.Most < 0 {
		b.jump(done)
	} else {
		b.branch(n.cond(ir.Lt), true, x, ir.C(s.Most), inside, done)
	}
	b.start(inside)
	at := b.op(ir.Div, true, b.op(ir.Sub, true, x, ir.C(s.Least)), ir.C(s.Step))
	b.add(ir.Ins{Op: ir.Add, Wide: true, Dst: bucket, A: at, B: ir.C(1)})
	b.jump(done)
	b.start(done)
	return bucket
}

// tick adds one to a bucket.
func (b *builder) tick(t *table, key ast.Expr, bucket ir.Reg) {
	done := b.newBlock()
	if key == nil {
		index := b.f.NewSlot(8)
		b.store(index, 0, 4, ir.R(bucket))
		slot := b.lookUp(t, index, done)
		b.add(ir.Ins{Op: ir.Atomic, A: slot, B: ir.C(1), Size: 8})
	} else {
		entry := b.aggregated(t, key, done)
		in := b.newBlock()
		// The verifier knows the bound of what is compared, and follows it no further.
		b.branch(ir.Lt, true, ir.R(bucket), ir.C(int64(b.Maps[t.index].Scale.Buckets())), in, done)
		b.start(in)
		slot := b.op(ir.Add, true, ir.R(entry), b.op(ir.Shl, true, ir.R(bucket), ir.C(3)))
		b.add(ir.Ins{Op: ir.Atomic, A: slot, B: ir.C(1), Size: 8})
	}
	b.jump(done)
	b.start(done)
}

// addStat takes x into a stat. What a CPU keeps for itself needs no atomic
// comparison; its count and sum are atomic all the same, for an interrupt's.
func (b *builder) addStat(t *table, key ast.Expr, x ir.Operand) {
	done := b.newBlock()
	entry := b.aggregated(t, key, done)
	b.add(ir.Ins{Op: ir.Atomic, A: ir.R(entry), Off: object.StatCount, B: ir.C(1), Size: 8})
	b.add(ir.Ins{Op: ir.Atomic, A: ir.R(entry), Off: object.StatSum, B: x, Size: 8})
	up := b.op(ir.Xor, true, x, ir.C(object.StatBias))
	b.raise(entry, object.StatUp, up)
	b.raise(entry, object.StatDown, b.op(ir.Xor, true, up, ir.C(-1)))
	b.jump(done)
	b.start(done)
}

// raise makes a number in memory x if it is less.
func (b *builder) raise(entry ir.Reg, offset int32, x ir.Operand) {
	old := b.reg()
	b.add(ir.Ins{Op: ir.Load, Dst: old, A: ir.R(entry), Off: offset, Size: 8})
	greater, next := b.newBlock(), b.newBlock()
	b.branch(ir.Gt, true, x, ir.R(old), greater, next)
	b.start(greater)
	b.store(ir.R(entry), offset, 8, x)
	b.jump(next)
	b.start(next)
}

// aggregated finds the value of a key, makes one of zeros, or finds what is for
// all that have none.
func (b *builder) aggregated(t *table, key ast.Expr, missing *ir.Block) ir.Reg {
	entry := b.reg()
	if key == nil {
		b.move(entry, b.lookUp(t, b.first(), missing))
		return entry
	}
	k := b.key(t, key)
	found, insert, over := b.newBlock(), b.newBlock(), b.newBlock()
	look := func(missing *ir.Block) {
		b.move(entry, b.call(int32(asm.FnMapLookupElem), false, mapRef(t), k))
		b.branch(ir.Ne, true, ir.R(entry), ir.C(0), found, missing)
	}
	look(insert)
	b.start(insert)
	b.insert(t, k, b.varsAt(b.Shared.zerosAt), noExist)
	look(over)
	b.start(over)
	b.otherOf(t, entry, missing)
	b.jump(found)
	b.start(found)
	return entry
}

// otherOf is where what finds no room is added up.
func (b *builder) otherOf(t *table, entry ir.Reg, missing *ir.Block) {
	m := b.Maps[t.index]
	if m.Other == "" {
		b.move(entry, b.varsAt(m.Over))
		return
	}
	for i := range b.Maps {
		if b.Maps[i].Name == m.Other {
			b.move(entry, b.lookUp(&table{index: int32(i)}, b.first(), missing))
		}
	}
}

// first is the key of an array's first entry.
func (b *builder) first() ir.Operand {
	key := b.f.NewSlot(8)
	b.store(key, 0, 4, ir.C(0))
	return key
}
