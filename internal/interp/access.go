package interp

import (
	"ktrap/internal/diag"
)

func loadMem(r *run, in *inst) {
	r.regs[in.dst] = r.fetch(r.regs[in.src], in)
}

// loadSigned extends the sign of what it loads (6.6: 1f9a1ea821ff).
func loadSigned(r *run, in *inst) {
	v := r.fetch(r.regs[in.src], in).plain()
	if v.kind != scalar && !r.stopped {
		r.fault(diag.VerifierPointer, "extends the sign of %s", v.kind)
	}
	shift := 64 - 8*in.size
	r.regs[in.dst] = number(uint64(int64(v.bits<<shift) >> shift))
}

func (r *run) fetch(from value, in *inst) value {
	switch from.kind {
	case context:
		return r.argument(from, in.offset, in.size)
	case kernel, word:
		return r.peek(from, in)
	}
	p := r.span(from, in.offset, in.size, "reads")
	switch {
	case p == nil:
		return value{}
	case from.mem.frame != nil:
		return r.fill(from, in.offset, in.size, p)
	}
	return number(load(p, in.size))
}

// peek loads through a typed address of the kernel; the exception table makes
// what cannot be read zero.
func (r *run) peek(from value, in *inst) value {
	var p [8]byte
	if r.env.Memory == nil || !r.env.Memory(from.bits+uint64(in.offset), p[:in.size]) {
		return number(0)
	}
	loaded := number(load(p[:], in.size))
	if in.size == 8 {
		loaded.kind = word
	}
	return loaded
}

func storeImm(r *run, in *inst) { r.put(in, number(in.imm)) }

func storeReg(r *run, in *inst) { r.put(in, r.read(in.src)) }

func (r *run) put(in *inst, what value) {
	to := r.regs[in.dst]
	if r.stopped {
		return
	}
	if to.kind == context {
		r.putContext(to, in, what)
		return
	}
	p := r.span(to, in.offset, in.size, "writes")
	switch {
	case p == nil:
	case to.mem.lock:
		r.fault(diag.VerifierMapValue, "writes to a map that is read-only")
	case to.mem.frame != nil:
		r.spill(to, in.offset, in.size, p, what)
	case what.kind == scalar || what.kind == kernel || what.kind == word:
		store(p, in.size, what.bits)
	default:
		r.fault(diag.VerifierLeak, "writes %s to %s", what.kind, to.mem.what)
	}
}

func (r *run) putContext(to value, in *inst, what value) {
	if !r.env.Context.writable {
		r.fault(diag.VerifierContext, "writes to the context")
		return
	}
	p := r.contextSpan(to, in.offset, in.size)
	switch {
	case p == nil:
	case what.kind != scalar && what.kind != kernel && what.kind != word:
		r.fault(diag.VerifierLeak, "writes %s to the context", what.kind)
	default:
		store(p, in.size, what.bits)
	}
}
