package build

import (
	"fmt"
	"go/types"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/front"
	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
	"ktrap/internal/object"
)

// Calls that have begun are kept in a map by their frame: see lower's caller. An
// entry holds
//
//	 0  u64  owner   the thread, plus 1
//	 8  u64  follow  whether the handler at the return is to run
//	16  u64  each argument that it takes
//	    …    what the handler at the entry returned
//
// The owner tells a thread's call from one of the thread that had the stack before
// and never returned. What a call leaves behind whose return is missed, the next one
// in its place overwrites: only if that one's entry is missed as well is its return
// given what is another's. So pairs are caught by what misses least: see plan.
const (
	ownerAt  = 0
	followAt = 8
	argsAt   = 16
)

// open is how many calls may have begun and not returned. What finds no room is not
// paired, and so counted at its return.
const open = 16384

// A pair is how a pair's handlers hand over.
type pair struct {
	*front.Pair
	table  *table
	args   []front.Param
	dataAt int
	size   int
}

// pair lays out what the handlers of p hand over.
func (s *Shared) pair(p *front.Pair) *pair {
	if made := s.pairs[p]; made != nil {
		return made
	}
	made := &pair{Pair: p, args: p.Args()}
	made.dataAt = argsAt + 8*len(made.args)
	made.size = made.dataAt
	if p.Data != nil {
		size, _ := s.size(p.Data, 0)
		if size == 0 || size > maxKey/2 {
			s.Fail(p.Entry.Decl.Type.Results, diag.Result, "a value of type "+s.TypeString(p.Data)+" can't be handed to a ret handler", "at most 256 bytes: integers, pointers, strings, and structs and arrays of them")
		}
		made.size += (size + 7) &^ 7
	}
	made.table = &table{index: int32(len(s.Maps)), keySize: 8}
	s.Maps = append(s.Maps, object.Map{
		Name: fmt.Sprint("ktrap.calls", len(s.pairs)), Kind: object.HashMap, KeySize: 8, ValueSize: made.size, Entries: open, Hidden: true,
	})
	s.pairs[p] = made
	return made
}

// Calls is the name of the map by which h hands over or takes; "" for none.
func (s *Shared) Calls(h *front.Handler) string {
	if p := s.pairs[h.Pair]; p != nil {
		return s.Maps[p.table.index].Name
	}
	return ""
}

// frame is the key of this call.
func (b *builder) frame() ir.Operand {
	at := b.reg()
	b.add(ir.Ins{Op: ir.Caller, Dst: at})
	key := b.f.NewSlot(8)
	b.store(key, 0, 8, ir.R(at))
	return key
}

func (b *builder) owner() ir.Operand {
	return b.op(ir.Add, true, b.call(int32(asm.FnGetCurrentPidTgid), true), ir.C(1))
}

// keep ends the handler at an entry: what it returned is kept for the return.
func (b *builder) keep(p *pair, results []place) {
	b.pos = p.Entry.Decl.Pos()
	v := b.f.NewSlot(p.size)
	follow := ir.C(1)
	if p.Choice {
		follow = b.load(results[1])
	}
	b.store(v, ownerAt, 8, b.owner())
	b.store(v, followAt, 8, follow)
	for i, arg := range p.args {
		x := b.reg()
		b.add(ir.Ins{Op: ir.Arg, Dst: x, Off: int32(arg.Index)})
		b.store(v, int32(argsAt+8*i), 8, b.plain(ir.R(x)))
	}
	if p.Data != nil {
		b.keepData(p, v, results[0])
	}
	b.insert(p.table, b.frame(), v, 0)
}

func (b *builder) keepData(p *pair, v ir.Operand, data place) {
	if _, ok := scalar(p.Data); ok {
		x := b.load(data)
		if isPointer(p.Data) {
			x = b.plain(x)
		}
		b.store(v, int32(p.dataAt), 8, x)
		return
	}
	b.store(v, int32(p.size-8), 8, ir.C(0)) // what is behind the value
	b.copyOwn(data, place{space: inOwn, typ: p.Data, base: v, off: int32(p.dataAt), size: data.size}, data.size)
}

// take begins the handler at a return: with what was kept at the entry, or not at
// all. It is copied before it is given back, since it then is another call's.
func (b *builder) take(p *pair) {
	key := b.frame()
	ours, unpaired := b.newBlock(), b.newBlock()
	v := b.lookUp(p.table, key, unpaired)
	owner, follow := b.reg(), b.reg()
	b.add(ir.Ins{Op: ir.Load, Dst: owner, A: v, Off: ownerAt, Size: 8})
	b.add(ir.Ins{Op: ir.Load, Dst: follow, A: v, Off: followAt, Size: 8})
	for i, arg := range p.args {
		b.takeWord(arg.Obj, v, argsAt+8*i)
	}
	for _, x := range p.Exit.Params {
		if x.Index == front.Entry {
			b.takeData(x.Obj, v, p)
		}
	}
	b.call(int32(asm.FnMapDeleteElem), false, mapRef(p.table), key)
	b.branch(ir.Eq, true, ir.R(owner), b.owner(), ours, unpaired)
	b.start(unpaired)
	b.leaveAs(object.UnpairedOffset)
	b.start(ours)
	if p.Choice {
		run, left := b.newBlock(), b.newBlock()
		b.branch(ir.Ne, true, ir.R(follow), ir.C(0), run, left)
		b.start(left)
		b.leaveAs(object.FilteredOffset)
		b.start(run)
	}
}

// leaveAs ends the handler, which has not begun, and counts why.
func (b *builder) leaveAs(counter int32) {
	b.add(ir.Ins{Op: ir.Tally, Off: counter})
	b.jump(b.exit)
}

func (b *builder) takeWord(to *types.Var, v ir.Operand, at int) {
	n, ok := scalar(to.Type())
	if !ok {
		return // refused where it is declared
	}
	x := b.f.NewReg(ir.Info{Struct: b.pointee(to.Type())})
	b.add(ir.Ins{Op: ir.Load, Dst: x, A: v, Off: int32(at), Size: 8})
	b.bind(to, b.narrow(ir.R(x), n))
}

func (b *builder) takeData(to *types.Var, v ir.Operand, p *pair) {
	if _, ok := scalar(p.Data); ok {
		b.takeWord(to, v, p.dataAt)
		return
	}
	local := b.local(p.Exit.Decl.Name, to.Type(), 0)
	b.copyOwn(place{space: inOwn, typ: p.Data, base: v, off: int32(p.dataAt), size: local.size}, local, local.size)
	b.vars[to] = local
}
