// Package lower turns what IR leaves open into instructions for one target:
// where arguments are, how the kernel's memory is read, what a record's header
// holds.
//
// A read of the kernel through a pointer is, in order of price:
//
//	a plain load        where the verifier knows the pointer's type: arguments of
//	                    a trampoline, the current task, and what is read of these
//	rdonly_cast + loads  from 6.2 on, where we know the type (a35b9af4ec2c)
//	probe_read_kernel    everywhere
package lower

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/compile/ir"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
)

// Target is what a handler is lowered for.
type Target struct {
	Arch    *arch.Arch
	Context object.Context
	Base    uint32 // the session's number of the batch's first point
	Point   ledger.Point
	Copy    bool // a trampoline's arguments that point to no struct are read by a helper
	Bare    bool // nothing is counted
	Types   *btf.Spec
	Cast    btf.ID // of the function bpf_rdonly_cast, 0 if the kernel has none
	Module  btf.ID // the first type that is a module's, which Cast does not know; 0 if none is
	TaskBTF bool   // bpf_get_current_task_btf is there
	Site    *Site  // of a post handler
	Steps   int32  // the map of its steps
}

// Args says where the probed function's arguments are.
type Args struct {
	Locs    []arch.Loc
	Structs []bool // the argument points to a struct
	Maybe   []bool // it does, or is nil, and the verifier wants to be shown that it is not
}

// Func lowers f in place.
func Func(f *ir.Func, t Target, a Args) {
	if t.Site != nil {
		f = t.post(f)
	}
	l := &lowering{f: f, t: t, args: a, typed: make([]bool, len(f.Regs)), defs: make([]int, len(f.Regs)), uses: make([]int, len(f.Regs)), records: map[ir.Reg]bool{}}
	l.ctx = f.NewReg(ir.Info{Fixed: int8(ledger.Context) + 1})
	if t.Bare {
		f.Regs[l.ctx].Fixed = int8(asm.R1) + 1
	}
	l.counts = f.NewReg(ir.Info{Fixed: int8(ledger.Counts) + 1})
	l.index = f.NewReg(ir.Info{Fixed: int8(ledger.Index) + 1})
	count := func(o *ir.Operand) {
		if o.Kind == ir.Value {
			l.uses[o.Reg]++
		}
	}
	for _, b := range f.Blocks {
		for i := range b.Ins {
			in := &b.Ins[i]
			l.defs[in.Dst]++
			in.Uses(count)
			if in.Op == ir.Call && in.Fn == int32(asm.FnRingbufReserve) {
				l.records[in.Dst] = true
			}
		}
		b.End.Uses(count)
	}
	l.computed = computed(f)
	l.settle()
	for _, b := range f.Blocks {
		l.merge(b)
		l.block(b)
	}
}

type lowering struct {
	f                  *ir.Func
	t                  Target
	args               Args
	ctx, counts, index ir.Reg
	typed              []bool // the verifier knows what it points to
	defs, uses         []int
	records            map[ir.Reg]bool
	computed           []bool // it is used for more than to read what it points to
	scratch, plain     ir.Operand
	out                []ir.Ins
	in, next           *ir.Ins // what is being lowered, and what follows in the block
	taken              bool    // next is done already
}

func (l *lowering) block(b *ir.Block) {
	l.out = make([]ir.Ins, 0, len(b.Ins)+8)
	for i := range b.Ins {
		l.in, l.next = &b.Ins[i], nil
		if i+1 < len(b.Ins) {
			l.next = &b.Ins[i+1]
		}
		if l.taken {
			l.taken = false // it was read to where it is stored
			continue
		}
		if lower := lowerings[l.in.Op]; lower != nil {
			lower(l)
		} else {
			l.out = append(l.out, *l.in)
		}
	}
	b.Ins = l.out
}

// lowerings are the operations that no machine knows.
var lowerings = map[ir.Op]func(*lowering){
	ir.Arg: (*lowering).argument, ir.Ret: (*lowering).returned, ir.Saved: (*lowering).saved,
	ir.Ctx: (*lowering).context, ir.Point: (*lowering).point, ir.Tally: (*lowering).tally, ir.Tallied: (*lowering).tallied,
	ir.Read: (*lowering).read, ir.Copy: (*lowering).copy, ir.Text: (*lowering).text, ir.Plain: (*lowering).number,
	ir.Call: (*lowering).call, ir.Caller: (*lowering).caller,
}

func (l *lowering) add(in ir.Ins) {
	in.Pos = l.in.Pos
	l.out = append(l.out, in)
}

func (l *lowering) load(dst ir.Reg, base ir.Operand, off, size int32) {
	l.add(ir.Ins{Op: ir.Load, Dst: dst, A: base, Off: off, Size: size})
}

func (l *lowering) trampoline() bool {
	return l.t.Context == object.Fentry || l.t.Context == object.Fexit
}

// RawArg as an Arg's From means an argument register, not a parameter.
const RawArg = 1

// isParameter reports whether an Arg is a parameter that we know more of.
func (l *lowering) isParameter(in *ir.Ins) bool {
	return in.From != RawArg && int(in.Off) < len(l.args.Locs)
}

// direct reports whether a trampoline's argument can be loaded.
func (l *lowering) direct(in *ir.Ins) bool {
	isStruct := l.isParameter(in) && l.args.Structs[in.Off]
	maybe := l.isParameter(in) && l.args.Maybe[in.Off]
	return !maybe && (isStruct || !l.t.Copy)
}

func (l *lowering) argument() {
	n := int(l.in.Off)
	loc := arch.Loc{Words: 1, Reg: n}
	slot := n
	if l.isParameter(l.in) {
		loc, slot = l.args.Locs[n], 0
		for _, before := range l.args.Locs[:n] {
			slot += before.Words
		}
	}
	switch {
	case l.trampoline() && !l.direct(l.in):
		l.fetch(asm.FnProbeReadKernel, l.scratchSlot(), 8, l.offset(ir.R(l.ctx), int32(8*slot)))
		l.load(l.in.Dst, l.scratchSlot(), 0, 8)
	case l.trampoline():
		l.load(l.in.Dst, ir.R(l.ctx), int32(8*slot), 8)
	case loc.Reg == arch.OnStack:
		sp := l.f.NewReg(ir.Info{})
		l.load(sp, ir.R(l.ctx), int32(l.t.Arch.Regs[l.t.Arch.SP].Offset), 8)
		l.fetch(asm.FnProbeReadKernel, l.scratchSlot(), 8, l.offset(ir.R(sp), int32(l.t.Arch.StackArg+loc.Stack)))
		l.load(l.in.Dst, l.scratchSlot(), 0, 8)
	default:
		l.load(l.in.Dst, ir.R(l.ctx), int32(l.t.Arch.Regs[l.t.Arch.Args[loc.Reg]].Offset), 8)
	}
}

func (l *lowering) returned() {
	if l.t.Context != object.Fexit {
		l.load(l.in.Dst, ir.R(l.ctx), int32(l.t.Arch.Regs[l.t.Arch.Rets[0]].Offset), 8)
		return
	}
	slot := 0
	for _, loc := range l.args.Locs {
		slot += loc.Words
	}
	l.load(l.in.Dst, ir.R(l.ctx), int32(8*slot), 8)
}

func (l *lowering) saved() { l.load(l.in.Dst, ir.R(l.ctx), l.in.Off, 8) }

func (l *lowering) context() {
	l.add(ir.Ins{Op: ir.Mov, Wide: true, Dst: l.in.Dst, A: ir.R(l.ctx)})
}

func (l *lowering) point() {
	if l.t.Point.Many() {
		l.add(ir.Ins{Op: ir.Add, Wide: true, Dst: l.in.Dst, A: ir.R(l.index), B: ir.C(int64(l.t.Base))})
		return
	}
	l.add(ir.Ins{Op: ir.Mov, Wide: true, Dst: l.in.Dst, A: ir.C(int64(l.t.Base + l.t.Point.Index))})
}

func (l *lowering) tally() {
	if !l.t.Bare {
		l.add(ir.Ins{Op: ir.Atomic, A: ir.R(l.counts), B: ir.C(1), Off: l.in.Off, Size: 8})
	}
}

func (l *lowering) tallied() {
	if l.t.Bare {
		l.add(ir.Ins{Op: ir.Mov, Wide: true, Dst: l.in.Dst, A: ir.C(0)})
		return
	}
	l.load(l.in.Dst, ir.R(l.counts), l.in.Off, 8)
}

func (l *lowering) call() {
	if l.isTask(l.in) {
		l.in.Fn = int32(asm.FnGetCurrentTaskBtf)
	}
	l.out = append(l.out, *l.in)
}
