package interp

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// An atomic operation is what it leaves in memory, of what was there and the
// source register; compare-and-exchange has a function of its own.
var atomics = map[asm.AtomicOp]operation{
	asm.AddAtomic: alu64[asm.Add], asm.FetchAdd: alu64[asm.Add],
	asm.AndAtomic: alu64[asm.And], asm.FetchAnd: alu64[asm.And],
	asm.OrAtomic: alu64[asm.Or], asm.FetchOr: alu64[asm.Or],
	asm.XorAtomic: alu64[asm.Xor], asm.FetchXor: alu64[asm.Xor],
	asm.Xchg: alu64[asm.Mov],
}

func atomic(r *run, in *inst) {
	p, was := r.shared(in)
	s := r.read(in.src).plain()
	if r.stopped {
		return
	}
	if s.kind != scalar {
		r.fault(diag.VerifierLeak, "an atomic operation with %s", s.kind)
		return
	}
	store(p, in.size, in.alu(was, s.bits))
	if in.fetch {
		r.regs[in.src] = number(was)
	}
}

// exchange stores the source if memory holds what R0 does, and leaves in R0
// what memory held.
func exchange(r *run, in *inst) {
	p, was := r.shared(in)
	expected, s := r.read(asm.R0).plain(), r.read(in.src).plain()
	if r.stopped {
		return
	}
	if s.kind != scalar || expected.kind != scalar {
		r.fault(diag.VerifierLeak, "an atomic operation with a pointer")
		return
	}
	if cut := uint64(1)<<(8*in.size-1)<<1 - 1; was == expected.bits&cut {
		store(p, in.size, s.bits)
	}
	r.regs[asm.R0] = number(was)
}

// shared is the memory of an atomic operation and what it holds. It must be
// aligned everywhere, not only on the stack.
func (r *run) shared(in *inst) (p []byte, was uint64) {
	to := r.regs[in.dst]
	p = r.span(to, in.offset, in.size, "changes")
	switch {
	case p == nil:
		return nil, 0
	case to.mem.lock:
		r.fault(diag.VerifierMapValue, "changes a map that is read-only")
		return nil, 0
	case (to.bits+uint64(in.offset))%uint64(in.size) != 0:
		r.fault(diag.VerifierMisaligned, "an atomic operation of %d bytes that are not aligned", in.size)
		return nil, 0
	}
	if to.mem.frame != nil {
		if held := r.fill(to, in.offset, in.size, p).plain(); held.kind != scalar && !r.stopped {
			r.fault(diag.VerifierLeak, "an atomic operation on %s", held.kind)
		}
	}
	return p, load(p, in.size)
}
