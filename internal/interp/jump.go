package interp

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// compare is a condition of two numbers.
type compare func(a, b uint64) bool

var jumps64 = map[asm.JumpOp]compare{
	asm.JEq:  func(a, b uint64) bool { return a == b },
	asm.JNE:  func(a, b uint64) bool { return a != b },
	asm.JSet: func(a, b uint64) bool { return a&b != 0 },
	asm.JGT:  func(a, b uint64) bool { return a > b },
	asm.JGE:  func(a, b uint64) bool { return a >= b },
	asm.JLT:  func(a, b uint64) bool { return a < b },
	asm.JLE:  func(a, b uint64) bool { return a <= b },
	asm.JSGT: func(a, b uint64) bool { return int64(a) > int64(b) },
	asm.JSGE: func(a, b uint64) bool { return int64(a) >= int64(b) },
	asm.JSLT: func(a, b uint64) bool { return int64(a) < int64(b) },
	asm.JSLE: func(a, b uint64) bool { return int64(a) <= int64(b) },
}

var jumps32 = map[asm.JumpOp]compare{
	asm.JEq:  func(a, b uint64) bool { return uint32(a) == uint32(b) },
	asm.JNE:  func(a, b uint64) bool { return uint32(a) != uint32(b) },
	asm.JSet: func(a, b uint64) bool { return uint32(a)&uint32(b) != 0 },
	asm.JGT:  func(a, b uint64) bool { return uint32(a) > uint32(b) },
	asm.JGE:  func(a, b uint64) bool { return uint32(a) >= uint32(b) },
	asm.JLT:  func(a, b uint64) bool { return uint32(a) < uint32(b) },
	asm.JLE:  func(a, b uint64) bool { return uint32(a) <= uint32(b) },
	asm.JSGT: func(a, b uint64) bool { return int32(a) > int32(b) },
	asm.JSGE: func(a, b uint64) bool { return int32(a) >= int32(b) },
	asm.JSLT: func(a, b uint64) bool { return int32(a) < int32(b) },
	asm.JSLE: func(a, b uint64) bool { return int32(a) <= int32(b) },
}

func jump(r *run, in *inst) { r.pc = in.target }

func jumpImm(r *run, in *inst) {
	d := &r.regs[in.dst]
	if d.kind != scalar {
		r.inspect(in, in.imm)
		if r.stopped {
			return
		}
	}
	if in.cmp(d.bits, in.imm) {
		r.pc = in.target
	}
}

func jumpReg(r *run, in *inst) {
	d, s := r.read(in.dst), r.read(in.src)
	if d.kind == maybe || s.kind == maybe {
		r.fault(diag.VerifierNull, "compares a pointer that was not compared with nil")
		return
	}
	if in.cmp(d.bits, s.bits) {
		r.pc = in.target
	}
}

// inspect is a comparison of what is no number with a constant; with nil it
// tells what a pointer is.
func (r *run) inspect(in *inst, with uint64) {
	v := r.read(in.dst)
	if v.kind != maybe {
		return
	}
	if with != 0 || in.narrow || in.jump != asm.JEq && in.jump != asm.JNE {
		r.fault(diag.VerifierNull, "compares a pointer that may be nil with something else")
		return
	}
	r.known(v.id)
}
