// Package interp runs eBPF programs as the kernel would, and distrusts them as
// its verifier does: what a program may not do is a Fault at the instruction
// that does it.
//
// A register holds a number or a pointer that remembers what it points into: the
// stack, the context, a map's value, a record, the kernel's memory. A read of
// what was never written, an access outside its object, a pointer that was not
// compared with nil, a record that is never given back, arithmetic that the
// kernel allows on no pointer: each ends the run. The verifier judges all ways
// through a program, this only the one that it takes; so what faults here is
// wrong, and what does not fault may still be refused.
//
// Load turns instructions into a slice of small functions, Run calls one after
// the other. The kernel around the program (its memory, the current thread, the
// time) is an Env, plain data.
package interp

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// A Fault is what a program did that it may not do.
type Fault struct {
	Index int // of the instruction in the program as it was loaded; -1 if none
	Insn  asm.Instruction
	Code  diag.Code
	Msg   string
}

func (f *Fault) Error() string {
	if f.Index < 0 {
		return f.Msg
	}
	return fmt.Sprintf("instruction %d (%v): %s", f.Index, f.Insn, f.Msg)
}

// Env is the kernel around one run.
type Env struct {
	Context Context
	// Memory and User copy from an address of the kernel or the process, and say
	// whether it could be read. Nil: nothing can.
	Memory, User func(addr uint64, p []byte) bool

	Time             uint64 // ns of CLOCK_MONOTONIC; a call later is a ns later
	PidTgid, UIDGID  uint64
	Comm             string
	CPU              uint32
	Task             uint64   // address of the current task_struct
	Stack, UserStack []uint64 // return addresses, innermost first
	Cookie           uint64   // of the attachment
	FuncIP           uint64   // address of the probed function
	Cgroup           uint64
	RdonlyCast       int32 // BTF id of the kernel's bpf_rdonly_cast; 0 if it has none

	Budget int // instructions at most; 0 means a million, the verifier's own limit
}

const defaultBudget = 1_000_000

// Run runs p once. Its error is a *Fault.
func (p *Program) Run(env Env) (uint64, error) {
	r := run{p: p, env: env, left: env.Budget}
	if r.left <= 0 {
		r.left = defaultBudget
	}
	r.stack.base, r.stack.data, r.stack.frame = stackBase, r.frame.data[:], &r.frame
	r.regs[asm.R1] = value{kind: context, bits: contextBase}
	r.regs[asm.RFP] = value{kind: pointer, bits: stackBase + stackSize, mem: &r.stack}
	for !r.stopped {
		in := &p.insns[r.pc]
		r.at = r.pc
		r.pc++
		if r.left--; r.left < 0 {
			r.fault(diag.VerifierLoop, "the program runs longer than its budget")
			break
		}
		in.do(&r, in)
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.regs[asm.R0].bits, nil
}

// run is a program under way.
type run struct {
	p       *Program
	env     Env
	regs    [11]value
	at, pc  int // the instruction in hand, and the next
	left    int
	stopped bool
	err     *Fault
	ids     uint32 // given to pointers that may be nil
	live    []live // records that were reserved and not given back
	stack   memory
	frame   frame
}

func (r *run) fault(code diag.Code, format string, args ...any) {
	if r.err == nil {
		r.err = &Fault{r.at, r.p.source[r.at], code, fmt.Sprintf(format, args...)}
	}
	r.stopped = true
}

// exit is the instruction that ends a program.
func exit(r *run, _ *inst) {
	switch {
	case r.regs[asm.R0].kind == unset:
		r.fault(diag.VerifierResult, "the program ends without a result in R0")
	case len(r.live) > 0:
		r.fault(diag.VerifierReference, "the program ends and has neither submitted nor discarded its record")
	case r.env.Context.zero && r.regs[asm.R0].bits != 0:
		r.fault(diag.VerifierResult, "the program returns %#x, and must return 0 here", r.regs[asm.R0].bits)
	}
	r.stopped = true
}
