package lower

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/ir"
	"ktrap/internal/object"
	"ktrap/internal/outcome"
)

// Site is a probed instruction, whose post handler is told what it did.
//
// What an instruction leads to that leaves for elsewhere follows from the registers
// before it: then one program, at the instruction, computes them. What another left is
// seen behind it: a program at the instruction keeps the registers, in a map, and one
// at each place behind it takes them. They are known by where the instruction leaves
// the stack pointer, which only one running execution has, and by its address. An
// entry holds
//
//	0  u64  owner   the thread, plus 1
//	8  u64  each register of outcome's, but ip
//
// What an instruction that faulted left there, its next execution at that depth
// overwrites; and what it leaves alone must be the same in both.
type Site struct {
	Addr    uint64
	Outcome *outcome.Outcome
	Program Program
}

// Program is one that a Site needs.
type Program uint8

// The programs.
const (
	Computing Program = iota
	Keeping
	Taking
)

// The sizes of the map's keys and values, bytes.
const (
	StepKey  = 16
	StepSize = 8 + 8*int(outcome.Flags+1)
)

// kept is where an entry has a register.
func kept(r outcome.Reg) int32 { return 8 + 8*int32(r) }

// post makes a post handler's program of its function.
func (t Target) post(f *ir.Func) *ir.Func {
	p := &poster{f: f, t: t, offsets: map[outcome.Reg]int32{}}
	for _, r := range t.Arch.Regs {
		if n := outcome.RegNamed(r.Name); n != outcome.None {
			p.offsets[n] = int32(r.Offset)
		}
	}
	p.cur = &ir.Block{}
	switch t.Site.Program {
	case Computing:
		p.compute()
	case Keeping:
		p.keep()
	case Taking:
		p.take()
	}
	f.Number()
	return f
}

type poster struct {
	f       *ir.Func
	t       Target
	offsets map[outcome.Reg]int32 // in struct pt_regs
	cur     *ir.Block
}

func (p *poster) add(in ir.Ins) { p.cur.Ins = append(p.cur.Ins, in) }

// set adds an instruction that makes a value.
func (p *poster) set(in ir.Ins) ir.Operand {
	in.Dst = p.f.NewReg(ir.Info{})
	in.Wide = true
	p.add(in)
	return ir.R(in.Dst)
}

func (p *poster) op(op ir.Op, x, y ir.Operand) ir.Operand {
	return p.set(ir.Ins{Op: op, A: x, B: y})
}

func (p *poster) call(fn asm.BuiltinFunc, args ...ir.Operand) ir.Operand {
	return p.set(ir.Ins{Op: ir.Call, Fn: int32(fn), Args: args})
}

// reg is a register as the probe saved it.
func (p *poster) reg(r outcome.Reg) ir.Operand {
	return p.set(ir.Ins{Op: ir.Saved, Off: p.offsets[r]})
}

func (p *poster) store(to ir.Operand, off int32, x ir.Operand) {
	p.add(ir.Ins{Op: ir.Store, A: to, B: x, Off: off, Size: 8})
}

// branch goes on in the block yes.
func (p *poster) branch(cond ir.Cond, x, y ir.Operand, yes, no *ir.Block) {
	p.cur.End = ir.End{Kind: ir.Branch, Cond: cond, Wide: true, A: x, B: y, To: [2]*ir.Block{yes, no}}
	p.cur = yes
}

func (p *poster) jump(to *ir.Block) {
	p.cur.End = ir.End{Kind: ir.Jump, To: [2]*ir.Block{to}}
}

// given replaces what the handler reads of the registers of one time.
func (p *poster) given(when int32, r outcome.Reg, x ir.Operand) {
	for _, b := range p.f.Blocks {
		for i, in := range b.Ins {
			if in.Op == ir.Saved && in.From == when && in.Off == p.offsets[r] {
				b.Ins[i] = ir.Ins{Op: ir.Mov, Wide: true, Dst: in.Dst, A: x, Pos: in.Pos}
			}
		}
	}
}

// before has the handler begin behind what was added.
func (p *poster) before(first *ir.Block) {
	p.jump(p.f.Blocks[0])
	p.f.Blocks = append([]*ir.Block{first}, p.f.Blocks...)
}

// compute gives the handler what the instruction will leave.
func (p *poster) compute() {
	first, o := p.cur, p.t.Site.Outcome
	f := o.Formula()
	if f.SP != 0 {
		p.given(0, outcome.SP, p.op(ir.Add, p.reg(outcome.SP), ir.C(int64(f.SP))))
	}
	if f.Counts {
		p.given(0, outcome.CX, p.counted(f.Counter))
	}
	p.given(0, outcome.IP, p.next(f))
	p.given(ir.Before, outcome.IP, ir.C(int64(p.t.Site.Addr)))
	p.before(first)
}

func (p *poster) next(f outcome.Formula) ir.Operand {
	behind := ir.C(int64(p.t.Site.Outcome.Behind))
	switch f.Next {
	case outcome.ToTarget:
		return ir.C(int64(f.Target))
	case outcome.FromRegister:
		return p.reg(f.Register)
	case outcome.FromStack:
		return p.set(ir.Ins{Op: ir.Read, A: p.reg(outcome.SP), Size: 8})
	case outcome.IfHeld:
		return p.way(p.held(f.Condition), f)
	case outcome.IfLooping:
		return p.way(p.looping(f.Looping), f)
	}
	return behind
}

// way is where a jump leads: to its target if taken is 1, else behind it.
func (p *poster) way(taken ir.Operand, f outcome.Formula) ir.Operand {
	behind := p.t.Site.Outcome.Behind
	return p.op(ir.Add, p.op(ir.Mul, taken, ir.C(int64(f.Target-behind))), ir.C(int64(behind)))
}

// counted is cx less 1, as far as it counts.
func (p *poster) counted(mask uint64) ir.Operand {
	kept := p.op(ir.And, p.reg(outcome.CX), ir.C(int64(^mask)))
	return p.op(ir.Or, kept, p.op(ir.And, p.op(ir.Sub, p.reg(outcome.CX), ir.C(1)), ir.C(int64(mask))))
}

// looping is 1 if a loop jumps, else 0.
func (p *poster) looping(l outcome.Looping) ir.Operand {
	taken := p.set01(p.op(ir.And, p.reg(outcome.CX), ir.C(int64(l.Counter))))
	if !l.Counts {
		taken = p.op(ir.Xor, taken, ir.C(1))
	}
	if l.Zero == 0 {
		return taken
	}
	unlike := p.set01(p.op(ir.And, p.op(ir.Xor, p.reg(outcome.Flags), ir.C(int64(l.ZeroIs))), ir.C(int64(l.Zero))))
	return p.op(ir.And, taken, p.op(ir.Xor, unlike, ir.C(1)))
}

// set01 is 0 if x is, else 1.
func (p *poster) set01(x ir.Operand) ir.Operand {
	return p.op(ir.Shr, p.op(ir.Or, x, p.set(ir.Ins{Op: ir.Neg, A: x})), ir.C(63))
}

// held is 1 if a condition is fulfilled, else 0: see outcome.Condition.
func (p *poster) held(number byte) ir.Operand {
	flags := p.reg(outcome.Flags)
	bit := func(n int64) ir.Operand { return p.op(ir.And, p.op(ir.Shr, flags, ir.C(n)), ir.C(1)) }
	const carry, parity, zero, sign, overflow = 0, 2, 6, 7, 11
	var x ir.Operand
	switch number >> 1 & 7 {
	case 0:
		x = bit(overflow)
	case 1:
		x = bit(carry)
	case 2:
		x = bit(zero)
	case 3:
		x = p.op(ir.Or, bit(carry), bit(zero))
	case 4:
		x = bit(sign)
	case 5:
		x = bit(parity)
	case 6:
		x = p.op(ir.Xor, bit(sign), bit(overflow))
	case 7:
		x = p.op(ir.Or, bit(zero), p.op(ir.Xor, bit(sign), bit(overflow)))
	}
	return p.op(ir.Xor, x, ir.C(int64(number&1)))
}

// key is that of an execution which leaves the stack pointer at sp.
func (p *poster) key(sp ir.Operand) ir.Operand {
	k := p.f.NewSlot(StepKey)
	p.store(k, 0, sp)
	p.store(k, 8, ir.C(int64(p.t.Site.Addr)))
	return k
}

func (p *poster) owner() ir.Operand {
	return p.op(ir.Add, p.call(asm.FnGetCurrentPidTgid), ir.C(1))
}

func (p *poster) steps() ir.Operand { return ir.Operand{Kind: ir.Map, Index: p.t.Steps} }

// keep is all that the program at the instruction does.
func (p *poster) keep() {
	p.f.Slots = nil
	p.f.Blocks = []*ir.Block{p.cur}
	v := p.f.NewSlot(StepSize)
	p.store(v, 0, p.owner())
	for r := outcome.AX; r <= outcome.Flags; r++ {
		x := ir.C(int64(p.t.Site.Addr))
		if r != outcome.IP {
			x = p.reg(r)
		}
		p.store(v, kept(r), x)
	}
	p.call(asm.FnMapUpdateElem, p.steps(), p.key(p.left()), v, ir.C(0))
}

// left is where the instruction leaves the stack pointer.
func (p *poster) left() ir.Operand {
	to := p.t.Site.Outcome.Pointer()
	sp := p.op(ir.Add, p.reg(to.Base), ir.C(int64(to.Add)))
	if to.Index != outcome.None {
		op := ir.Add
		if to.Minus {
			op = ir.Sub
		}
		sp = p.op(op, sp, p.op(ir.Mul, p.reg(to.Index), ir.C(int64(to.Scale))))
	}
	return p.op(ir.And, sp, ir.C(int64(to.Mask)))
}

// take begins the handler behind the instruction: if it has just run.
func (p *poster) take() {
	first, o := p.cur, p.t.Site.Outcome
	key := p.key(p.reg(outcome.SP))
	entry := p.call(asm.FnMapLookupElem, p.steps(), key)
	found, other, none := &ir.Block{}, &ir.Block{}, &ir.Block{}
	p.branch(ir.Ne, entry, ir.C(0), found, none)
	load := func(off int32) ir.Operand { return p.set(ir.Ins{Op: ir.Load, A: entry, Off: off, Size: 8}) }
	p.same(ir.Eq, load(0), p.owner(), other)
	for r := outcome.AX; r <= outcome.Flags; r++ {
		was := load(kept(r))
		p.given(ir.Before, r, was)
		switch {
		case r == outcome.SP, r == outcome.IP, o.Writes().Has(r):
		case r == outcome.Flags:
			changed := p.op(ir.And, p.op(ir.Xor, was, p.reg(r)), ir.C(outcome.Status))
			p.same(ir.Eq, changed, ir.C(0), other)
		default:
			p.same(ir.Eq, was, p.reg(r), other)
		}
	}
	p.given(0, outcome.IP, ir.C(int64(o.Behind)))
	p.call(asm.FnMapDeleteElem, p.steps(), key)
	p.before(first)
	p.cur = other
	p.call(asm.FnMapDeleteElem, p.steps(), key)
	p.jump(none)
	none.Ins = []ir.Ins{{Op: ir.Tally, Off: object.UnpairedOffset}}
}

// same goes on if a condition is fulfilled.
func (p *poster) same(cond ir.Cond, x, y ir.Operand, no *ir.Block) {
	p.branch(cond, x, y, &ir.Block{}, no)
}
