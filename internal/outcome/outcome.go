// Package outcome says how it can be known what one x86-64 instruction did to the
// registers.
//
// A kernel module's post_handler is called when the probed instruction has run;
// from user space there is no such call. But a probe before the instruction has
// all that it starts from, and then there are two ways:
//
//	computed   what a branch, a call, a return or a nop leaves follows from the
//	           registers, for a return with one word of the stack
//	observed   what any other instruction left is what a probe at its successor
//	           finds, in the same thread, with the stack pointer that the
//	           instruction must have left
//
// Of says which, and if neither, why. Most of what a computed outcome is, the kernel
// computes too: it emulates branches at a breakpoint. Of loops, which it does not do
// as the processor does, the outcome is the kernel's: that is what happens at a probe.
// A successor where no probe can stand is looked through if it is a nop or a jump,
// which change no registers.
//
// So that a pair of records is never taken for one execution when it is two, the
// room also says which registers an instruction surely leaves alone.
package outcome

import (
	"fmt"

	"ktrap/internal/disasm"
)

// Kind is a way to know an outcome.
type Kind uint8

// The kinds.
const (
	Impossible Kind = iota
	Computed        // from the registers before, and maybe one word of the stack
	Observed        // by probes at the successors
)

// String is one word.
func (k Kind) String() string { return [...]string{"impossible", "computed", "observed"}[k] }

// Outcome is how what an instruction did can be known.
type Outcome struct {
	Kind Kind
	Why  string   // in words that read on from "what it does"
	At   []uint64 // where to look for an Observed one
	// Stack tells that After needs the word that the stack pointer points to.
	Stack bool
	// Behind is the address behind the instruction.
	Behind uint64

	code    code
	compute computation
	target  uint64
	pointer pointer
}

// Surroundings are what an instruction's bytes do not tell. All may be absent.
type Surroundings struct {
	// Ftrace: ftrace patches the place, and the kernel runs nothing there.
	Ftrace bool
	// At is the instruction at an address of the same function, and why no probe
	// can stand there, or "".
	At func(addr uint64) (in disasm.Inst, why string, ok bool)
	// Branch is where the kernel may patch a jump to (a jump label).
	Branch func(addr uint64) (target uint64, ok bool)
	Name   disasm.Namer
}

// ftraceSize is the length of ftrace's call, behind which the kernel goes on.
const ftraceSize = 5

// Of says how the outcome of in can be known.
func Of(in disasm.Inst, s Surroundings) Outcome {
	o := Outcome{Behind: in.End()}
	switch {
	case in.Arch != disasm.AMD64:
		return o.impossible("is known on amd64 only")
	case s.Ftrace:
		o.Behind = in.Addr + ftraceSize
		return o.computed(stay, "is nothing: ftrace patches the place")
	}
	o.code = take(in)
	flow := in.Flow(nil)
	o.target = flow.Target
	switch flow.Kind {
	case disasm.Next:
		return o.straight(s)
	case disasm.Jump:
		return o.computed(jump, "follows from the instruction")
	case disasm.CondJump:
		return o.conditional()
	case disasm.Call:
		return o.computed(call, "follows from the registers")
	case disasm.IndirectCall:
		return o.indirect(callRegister)
	case disasm.IndirectJump:
		return o.indirect(jumpRegister)
	case disasm.Return:
		return o.returns()
	}
	return o.impossible("is not done: it is a trap")
}

func (o Outcome) impossible(why string) Outcome {
	o.Kind, o.Why = Impossible, why
	return o
}

func (o Outcome) computed(c computation, why string) Outcome {
	o.Kind, o.Why, o.compute = Computed, why, c
	return o
}

func (o Outcome) conditional() Outcome {
	switch op := o.code.op[0]; {
	case op == 0xc7:
		return o.impossible("can't be known: it begins a transaction")
	case op>>4 == 0xe:
		return o.computed(loop, "follows from the registers")
	}
	return o.computed(condition, "follows from the flags")
}

func (o Outcome) indirect(c computation) Outcome {
	m, ok := o.code.modrm()
	if !ok || m.mod != 3 || m.reg&1 != 0 { // odd ones are far
		return o.impossible("can't be known: it reads its target from memory")
	}
	return o.computed(c, "follows from the registers")
}

func (o Outcome) returns() Outcome {
	switch o.code.op[0] {
	case 0xc3:
	case 0xc2:
		return o.impossible("can't be known: the kernel may do it in the processor's stead, and then leaves its arguments on the stack")
	default:
		return o.impossible("can't be known: it returns to another level of privilege, or far")
	}
	o.Stack = true
	return o.computed(ret, "follows from the registers and the word on the stack")
}

// straight is the outcome of an instruction that goes on behind itself.
func (o Outcome) straight(s Surroundings) Outcome {
	if o.code.isNop() {
		return o.computed(stay, "is nothing")
	}
	var ok bool
	if o.pointer, ok = o.code.stackPointer(); !ok {
		return o.impossible("can't be told from others: where it leaves the stack pointer is not known beforehand")
	}
	at, why := s.successors(o.Behind)
	if why != "" {
		return o.impossible("can't be seen: " + why)
	}
	o.Kind, o.At = Observed, at
	o.Why = "is seen by a probe at " + s.words(at[0])
	for _, other := range at[1:] {
		o.Why += " or " + s.words(other)
	}
	return o
}

// words is an address as people know it.
func (s *Surroundings) words(addr uint64) string {
	if s.Name != nil {
		if name, ok := s.Name(addr); ok {
			return name
		}
	}
	return fmt.Sprintf("%#x", addr)
}
