// Package emit writes lowered IR as BPF: it finds how long each register is
// needed, gives out the machine's registers by a linear scan, spills what finds
// none, and encodes.
//
// The machine: r0 takes results, r1 to r5 arguments, and calls destroy all six;
// r6 to r9 survive; r10 is the top of a stack of 512 bytes.
package emit

import (
	"fmt"
	"go/token"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/ir"
)

// Code is an emitted function.
type Code struct {
	Insns  asm.Instructions
	Pos    []token.Pos // of each instruction
	Stack  int         // bytes
	Spills int
}

// stackSize is MAX_BPF_STACK.
const stackSize = 512

// Error is a function that no program can be.
type Error struct {
	Pos token.Pos
	Msg string
}

func (e *Error) Error() string { return e.Msg }

// ErrStack is the message of a function that needs too much stack.
const ErrStack = "the handler needs more than 512 bytes of stack"

// Func emits f, which is changed. maps are the names of the file's maps by index.
func Func(f *ir.Func, maps func(index int32) string) (*Code, error) {
	a := allocate(f)
	if a == nil {
		return nil, &Error{Msg: "ktrap bug: no registers for the handler"}
	}
	e := &encoder{f: f, regs: a.regs, maps: maps}
	if err := e.frame(); err != nil {
		return nil, err
	}
	if err := e.blocks(); err != nil {
		return nil, err
	}
	return &Code{Insns: e.insns, Pos: e.pos, Stack: e.size, Spills: a.spills}, nil
}

type encoder struct {
	f     *ir.Func
	regs  []asm.Register // by ir.Reg
	maps  func(int32) string
	slots []int64 // by slot: bytes below the frame pointer, negative
	size  int
	insns asm.Instructions
	pos   []token.Pos
	raw   int   // slots of 8 bytes so far
	start []int // by block: raw
	held  held
	jumps []jump
	at    token.Pos
}

// A jump is to be told how far it goes.
type jump struct {
	insn, raw int
	to        *ir.Block
}

func (e *encoder) add(in asm.Instruction) {
	if e.held.has(in) {
		return
	}
	e.held.note(in)
	e.insns = append(e.insns, in)
	e.pos = append(e.pos, e.at)
	e.raw += int(in.Size() / asm.InstructionSize)
}

func (e *encoder) blocks() error {
	e.start = make([]int, len(e.f.Blocks))
	for i, b := range e.f.Blocks {
		e.start[i], e.held = e.raw, held{}
		for j := range b.Ins {
			e.at = b.Ins[j].Pos
			e.instruction(&b.Ins[j])
		}
		e.at = b.End.Pos
		e.ending(b, i)
	}
	for _, j := range e.jumps {
		distance := e.start[j.to.ID] - j.raw - 1
		if distance != int(int16(distance)) {
			return &Error{Msg: fmt.Sprintf("the handler has %d instructions, and a jump reaches 32767", e.raw)}
		}
		e.insns[j.insn].Offset = int16(distance)
	}
	return nil
}

func (e *encoder) jump(in asm.Instruction, to *ir.Block) {
	in.Offset = 0
	e.jumps = append(e.jumps, jump{len(e.insns), e.raw, to})
	e.add(in)
}

var inverse = [...]ir.Cond{
	ir.Eq: ir.Ne, ir.Ne: ir.Eq, ir.Lt: ir.Ge, ir.Ge: ir.Lt, ir.Le: ir.Gt, ir.Gt: ir.Le,
	ir.SLt: ir.SGe, ir.SGe: ir.SLt, ir.SLe: ir.SGt, ir.SGt: ir.SLe, ir.Set: ir.Set,
}

var jumpOps = [...]asm.JumpOp{
	ir.Eq: asm.JEq, ir.Ne: asm.JNE, ir.Lt: asm.JLT, ir.Le: asm.JLE, ir.Gt: asm.JGT, ir.Ge: asm.JGE,
	ir.SLt: asm.JSLT, ir.SLe: asm.JSLE, ir.SGt: asm.JSGT, ir.SGe: asm.JSGE, ir.Set: asm.JSet,
}

func (e *encoder) ending(b *ir.Block, i int) {
	next := func(to *ir.Block) bool { return to.ID == i+1 }
	end := &b.End
	switch end.Kind {
	case ir.Exit:
		e.add(asm.Mov.Imm(asm.R0, 0))
		e.add(asm.Return())
	case ir.Jump:
		if !next(end.To[0]) {
			e.jump(asm.Ja.Label(""), end.To[0])
		}
	case ir.Branch:
		cond, yes, no := end.Cond, end.To[0], end.To[1]
		if next(yes) && cond != ir.Set {
			cond, yes, no = inverse[cond], no, yes
		}
		e.jump(e.compare(jumpOps[cond], end), yes)
		if !next(no) {
			e.jump(asm.Ja.Label(""), no)
		}
	}
}

func (e *encoder) compare(op asm.JumpOp, end *ir.End) asm.Instruction {
	a := e.regs[end.A.Reg]
	switch {
	case end.B.Kind == ir.Const && end.Wide:
		return op.Imm(a, int32(end.B.Imm), "")
	case end.B.Kind == ir.Const:
		return op.Imm32(a, int32(end.B.Imm), "")
	case end.Wide:
		return op.Reg(a, e.regs[end.B.Reg], "")
	}
	return op.Reg32(a, e.regs[end.B.Reg], "")
}
