package capture

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/arch"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
)

// Target is what a Unit's program is written for.
type Target struct {
	Arch    *arch.Arch
	Context object.Context
	Base    uint32 // the session's number of the batch's first point
	Point   ledger.Point
	// Copy reads a trampoline's arguments by a helper: up to 5.12 the verifier
	// allows no loads of pointers to anything but structs.
	Copy bool
	// CPUs is how many CPUs the map of slots has room for, a power of two; 0 if there
	// is no such map.
	CPUs int
}

// Registers that keep their meaning through the whole program.
const (
	ctx    = ledger.Context
	counts = ledger.Counts
	index  = ledger.Index
	record = asm.R9
)

// Slots of the program's stack, bytes below the frame pointer.
const (
	pointerSlot = -16
	commSlot    = -32
)

// Emit writes u's program for t. In order: count the hit, leave unless armed,
// filter, reserve the record, fill it in place, submit it without waking anybody
// (the reader polls; a wake-up a hit would cost more than the hit). Every way
// out but the last has a counter of its own.
func (u *Unit) Emit(t Target) (object.Program, error) {
	e := emitter{u: u, t: t, l: u.LayOut(t.Arch)}
	if u.Plain() && t.CPUs > 0 {
		e.tick()
		return object.Program{Context: t.Context, Insns: e.insns}, nil
	}
	e.enter()
	e.filter()
	e.condition()
	if u.Once {
		e.add(ledger.Claim(e.t.Point)...)
	}
	if u.Quiet {
		e.add(asm.Ja.Label(ledger.Out))
		e.leaveUncounted()
	} else {
		e.record()
	}
	if err := errors.Join(e.part(ifPart, u.If), e.part(showPart, u.Show)); err != nil {
		return object.Program{}, err
	}
	return object.Program{Context: t.Context, Insns: e.insns}, nil
}

// Plain reports whether all that is asked for is how often a point was hit.
func (u *Unit) Plain() bool { return u.Quiet && !u.Once && u.If == nil && u.Filter == (Filter{}) }

// tick adds a point's state, which is 1 while it is armed, to its slot of this CPU:
// no branch, no call of a map's function. The addition is atomic because an interrupt
// may hit too.
func (e *emitter) tick() {
	p := e.t.Point
	at := p.Index
	if p.Many() {
		at = 0
	}
	e.add(p.Find()...)
	e.add(
		asm.FnGetSmpProcessorId.Call(),
		asm.And.Imm(asm.R0, int32(e.t.CPUs-1)),
		asm.Mul.Imm(asm.R0, int32(object.SlotStride(p.Points))),
		asm.LoadMapValue(asm.R1, 0, 8*at).WithReference(object.Slots),
		asm.Add.Reg(asm.R1, asm.R0),
		asm.LoadMapValue(asm.R2, 0, 4*at).WithReference(object.State),
	)
	if p.Many() {
		e.add(
			asm.LSh.Imm(index, 2),
			asm.Add.Reg(asm.R2, index),
			asm.LSh.Imm(index, 1),
			asm.Add.Reg(asm.R1, index),
		)
	}
	e.add(
		asm.LoadMem(asm.R2, asm.R2, 0, asm.Word),
		asm.StoreXAdd(asm.R1, asm.R2, asm.DWord),
	)
	e.symbol = ledger.Out
	e.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// record writes a record.
func (e *emitter) record() {
	e.reserve()
	e.header()
	e.words()
	e.losses()
	e.noFaults()
	for i := range e.u.Reads {
		e.read(i)
	}
	for i := range e.u.Operands {
		e.operand(i)
	}
	e.show()
	e.stack()
	e.leave()
}

type emitter struct {
	u      *Unit
	t      Target
	l      Layout
	insns  asm.Instructions
	labels int
	symbol string // of the next instruction
}

func (e *emitter) add(insns ...asm.Instruction) {
	for _, in := range insns {
		if e.symbol != "" {
			in = in.WithSymbol(e.symbol)
			e.symbol = ""
		}
		e.insns = append(e.insns, in)
	}
}

func (e *emitter) label(name string) string {
	e.labels++
	return fmt.Sprintf("%s%d", name, e.labels)
}

// enter counts the hit and goes on only if the point is armed.
func (e *emitter) enter() {
	e.add(ledger.Enter(e.t.Point)...)
}

func (e *emitter) count(offset int) { e.add(ledger.Count(offset)...) }

func (e *emitter) filter() {
	f := e.u.Filter
	if f.PID != 0 {
		e.add(
			asm.FnGetCurrentPidTgid.Call(),
			asm.RSh.Imm(asm.R0, 32),
			asm.LoadImm(asm.R1, int64(f.PID), asm.DWord),
			asm.JNE.Reg(asm.R0, asm.R1, "filtered"),
		)
	}
	if f.Comm != "" {
		var comm [object.CommSize]byte
		copy(comm[:object.CommSize-1], f.Comm)
		e.add(asm.Mov.Imm(asm.R0, 0))
		for i := 0; i < object.CommSize; i += 8 { // on 6.1 nothing is written behind the name
			e.add(asm.StoreMem(asm.RFP, int16(commSlot+i), asm.R0, asm.DWord))
		}
		e.comm(asm.RFP, commSlot)
		for i := 0; i < object.CommSize; i += 8 {
			e.add(
				asm.LoadMem(asm.R0, asm.RFP, int16(commSlot+i), asm.DWord),
				asm.LoadImm(asm.R1, int64(le.Uint64(comm[i:])), asm.DWord),
				asm.JNE.Reg(asm.R0, asm.R1, "filtered"),
			)
		}
	}
}

// Names of the subprograms.
const (
	ifPart   = "if"
	showPart = "show"
)

// condition asks Unit.If.
func (e *emitter) condition() {
	if e.u.If == nil {
		return
	}
	e.add(
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.RFP, pointerSlot, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, ctx),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, pointerSlot),
		asm.Call.Label(ifPart),
		asm.LoadMem(asm.R0, asm.RFP, pointerSlot, asm.DWord),
		asm.JEq.Imm(asm.R0, 0, "filtered"),
	)
}

// show has Unit.Show fill its part of the record.
func (e *emitter) show() {
	if e.u.Show == nil {
		return
	}
	e.add(asm.Mov.Imm(asm.R1, 0))
	e.store(e.l.Show, asm.R1, asm.DWord)
	e.add(
		asm.Mov.Reg(asm.R1, ctx),
		asm.Mov.Reg(asm.R2, record),
		asm.Add.Imm(asm.R2, int32(e.l.Show)),
		asm.Call.Label(showPart),
	)
}

// part appends a subprogram.
func (e *emitter) part(name string, p *Part) error {
	if p == nil {
		return nil
	}
	insns, err := p.Emit(e.t)
	if err != nil {
		return err
	}
	e.symbol = name
	e.add(insns...)
	return nil
}

func (e *emitter) comm(base asm.Register, offset int) {
	e.add(
		asm.Mov.Reg(asm.R1, base),
		asm.Add.Imm(asm.R1, int32(offset)),
		asm.Mov.Imm(asm.R2, object.CommSize),
		asm.FnGetCurrentComm.Call(),
	)
}

func (e *emitter) reserve() {
	e.add(
		asm.LoadMapPtr(asm.R1, 0).WithReference(object.Ring),
		asm.Mov.Imm(asm.R2, int32(e.l.Size)),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.JEq.Imm(asm.R0, 0, "full"),
		asm.Mov.Reg(record, asm.R0),
	)
}

func (e *emitter) store(offset int, value asm.Register, size asm.Size) {
	e.add(asm.StoreMem(record, int16(offset), value, size))
}

func (e *emitter) header() {
	e.add(asm.FnKtimeGetNs.Call())
	e.store(object.TimeOffset, asm.R0, asm.DWord)
	e.add(asm.FnGetCurrentPidTgid.Call())
	e.store(object.PidOffset, asm.R0, asm.DWord)
	if e.t.Point.Many() {
		e.add(asm.Add.Imm(index, int32(e.t.Base)))
		e.store(object.ProbeOffset, index, asm.Word)
	} else {
		e.add(asm.StoreImm(record, object.ProbeOffset, int64(e.t.Base+e.t.Point.Index), asm.Word))
	}
	e.add(asm.FnGetSmpProcessorId.Call())
	e.store(object.CPUOffset, asm.R0, asm.Word)
	e.add(asm.LoadMem(asm.R1, counts, object.FullOffset, asm.DWord))
	e.store(object.LostOffset, asm.R1, asm.DWord)
	e.comm(record, object.CommOffset)
}

// words records raw argument words, the returned word and the registers.
func (e *emitter) words() {
	switch e.t.Context {
	case object.Fentry:
		if n := len(e.u.Args); n > 0 {
			e.slots(e.l.Args[0], 0, n)
		}
	case object.Fexit:
		if e.u.Ret > 0 {
			e.slots(e.l.Ret, e.u.Before, 1) // a trampoline keeps no second word
		}
	default:
		for i, loc := range e.u.Args {
			e.argument(e.l.Args[i], loc)
		}
		for i, r := range e.t.Arch.Rets[:e.u.Ret] {
			e.copyWord(e.l.Ret+8*i, e.t.Arch.Regs[r].Offset)
		}
	}
	if e.u.Regs {
		for _, r := range e.t.Arch.Regs {
			e.copyWord(e.l.Regs+r.Offset, r.Offset)
		}
	}
}

// slots copies n slots of a trampoline's context, each an argument of one word
// or the returned one, to the record's words at to.
func (e *emitter) slots(to, slot, n int) {
	if e.t.Copy {
		e.add(
			asm.Mov.Reg(asm.R1, record),
			asm.Add.Imm(asm.R1, int32(to)),
			asm.Mov.Imm(asm.R2, int32(8*n)),
			asm.Mov.Reg(asm.R3, ctx),
			asm.Add.Imm(asm.R3, int32(8*slot)),
			asm.FnProbeReadKernel.Call(),
		)
		return
	}
	for i := range n {
		e.copyWord(to+8*i, 8*(slot+i))
	}
}

// copyWord copies the context's word at from to the record's word at to.
func (e *emitter) copyWord(to, from int) {
	e.add(asm.LoadMem(asm.R1, ctx, int16(from), asm.DWord))
	e.store(to, asm.R1, asm.DWord)
}

// argument copies an argument's words from where the calling convention has them.
func (e *emitter) argument(to int, loc arch.Loc) {
	a := e.t.Arch
	if loc.Reg != arch.OnStack {
		for w := range loc.Words {
			e.copyWord(to+8*w, a.Regs[a.Args[loc.Reg+w]].Offset)
		}
		return
	}
	e.add(
		asm.LoadMem(asm.R3, ctx, int16(a.Regs[a.SP].Offset), asm.DWord),
		asm.Add.Imm(asm.R3, int32(a.StackArg+loc.Stack)),
		asm.Mov.Imm(asm.R2, int32(8*loc.Words)),
		asm.Mov.Reg(asm.R1, record),
		asm.Add.Imm(asm.R1, int32(to)),
		asm.FnProbeReadKernel.Call(),
	)
}

// read follows Reads[i]. The pointer is taken from the record, not from the
// context: a value that went through memory is a plain number to the verifier,
// which then allows any arithmetic and reads through helpers only.
func (e *emitter) read(i int) {
	r := e.u.Reads[i]
	from := e.l.Ret
	if r.Arg != RetWord {
		from = e.l.Args[r.Arg]
	}
	fault, done := e.label("fault"), e.label("read")
	e.add(asm.LoadMem(asm.R3, record, int16(from+r.Word), asm.DWord))
	last := len(r.Offsets) - 1
	for _, offset := range r.Offsets[:last] {
		e.add(asm.Add.Imm(asm.R3, int32(offset)))
		e.copyMemory(asm.RFP, pointerSlot, 8, false)
		e.add(
			asm.JSLT.Imm(asm.R0, 0, fault),
			asm.LoadMem(asm.R3, asm.RFP, pointerSlot, asm.DWord),
		)
	}
	e.add(asm.Add.Imm(asm.R3, int32(r.Offsets[last])))
	e.copyMemory(record, e.l.Reads[i], r.Size, r.String)
	e.add(asm.JSGE.Imm(asm.R0, 0, done))
	e.symbol = fault
	e.fault(i)
	e.symbol = done
}

// noFaults begins the word that tells what could not be read.
func (e *emitter) noFaults() {
	if e.l.Faults >= 0 {
		e.add(asm.Mov.Imm(asm.R1, 0))
		e.store(e.l.Faults, asm.R1, asm.DWord)
	}
}

func (e *emitter) fault(bit int) {
	e.add(
		asm.LoadMem(asm.R1, record, int16(e.l.Faults), asm.DWord),
		asm.LoadImm(asm.R2, 1<<bit, asm.DWord),
		asm.Or.Reg(asm.R1, asm.R2),
	)
	e.store(e.l.Faults, asm.R1, asm.DWord)
}

// operand reads Operands[i].
func (e *emitter) operand(i int) {
	o := e.u.Operands[i]
	e.add(asm.LoadImm(asm.R3, int64(o.Disp), asm.DWord))
	if o.Base != NoReg {
		e.add(asm.LoadMem(asm.R1, ctx, int16(e.t.Arch.Regs[o.Base].Offset), asm.DWord), asm.Add.Reg(asm.R3, asm.R1))
	}
	if o.Index != NoReg {
		e.add(
			asm.LoadMem(asm.R1, ctx, int16(e.t.Arch.Regs[o.Index].Offset), asm.DWord),
			asm.Mul.Imm(asm.R1, int32(o.Scale)),
			asm.Add.Reg(asm.R3, asm.R1),
		)
	}
	done := e.label("operand")
	e.copyMemory(record, e.l.Operands[i], o.Size, false)
	e.add(asm.JSGE.Imm(asm.R0, 0, done))
	e.fault(len(e.u.Reads) + i)
	e.symbol = done
}

// losses records the count of what found no room.
func (e *emitter) losses() {
	if e.u.Losses {
		e.add(
			asm.LoadMapValue(asm.R1, 0, 0).WithReference(object.Losses),
			asm.LoadMem(asm.R1, asm.R1, 0, asm.DWord),
		)
		e.store(e.l.Losses, asm.R1, asm.DWord)
	}
}

// lose counts what found no room for all of the batch.
func (e *emitter) lose() {
	if e.u.Losses {
		e.add(
			asm.LoadMapValue(asm.R2, 0, 0).WithReference(object.Losses),
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreXAdd(asm.R2, asm.R1, asm.DWord),
		)
	}
}

// copyMemory copies size bytes at the address in R3 to base+offset; R0 is below
// zero when that memory could not be read. An address in the lower half is the
// process's own, which the kernel reads by another helper.
func (e *emitter) copyMemory(base asm.Register, offset, size int, str bool) {
	kernel, user := asm.FnProbeReadKernel, asm.FnProbeReadUser
	if str {
		kernel, user = asm.FnProbeReadKernelStr, asm.FnProbeReadUserStr
	}
	isKernel, done := e.label("kernel"), e.label("copied")
	e.add(
		asm.Mov.Reg(asm.R1, base),
		asm.Add.Imm(asm.R1, int32(offset)),
		asm.Mov.Imm(asm.R2, int32(size)),
		asm.JSLT.Imm(asm.R3, 0, isKernel),
		user.Call(),
		asm.Ja.Label(done),
	)
	e.symbol = isKernel
	e.add(kernel.Call())
	e.symbol = done
}

func (e *emitter) stack() {
	if e.u.Frames == 0 {
		return
	}
	e.add(
		asm.Mov.Reg(asm.R1, ctx),
		asm.Mov.Reg(asm.R2, record),
		asm.Add.Imm(asm.R2, int32(e.l.Stack+8)),
		asm.Mov.Imm(asm.R3, int32(8*e.u.Frames)),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnGetStack.Call(),
	)
	e.store(e.l.Stack, asm.R0, asm.DWord)
}

// noWakeup is BPF_RB_NO_WAKEUP.
const noWakeup = 1

func (e *emitter) leave() {
	e.add(
		asm.Mov.Reg(asm.R1, record),
		asm.Mov.Imm(asm.R2, noWakeup),
		asm.FnRingbufSubmit.Call(),
		asm.Ja.Label(ledger.Out),
	)
	e.symbol = "full"
	e.count(object.FullOffset)
	e.lose()
	e.add(asm.Ja.Label(ledger.Out))
	e.leaveUncounted()
}

// leaveUncounted are the ways out of a hit that is not recorded, and the end.
func (e *emitter) leaveUncounted() {
	if e.u.Filter != (Filter{}) || e.u.If != nil {
		e.symbol = "filtered"
		e.count(object.FilteredOffset)
		e.add(asm.Ja.Label(ledger.Out))
	}
	e.symbol = ledger.Unarmed
	e.count(object.UnarmedOffset)
	e.symbol = ledger.Out
	e.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
}
