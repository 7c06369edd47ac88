package interp

import "github.com/cilium/ebpf/asm"

// space is an address space.
type space uint8

const (
	kernelMemory space = iota
	userMemory
)

// probeRead copies from an address to R1. What cannot be read leaves zeros and a
// negative result.
func (r *run) probeRead(from space, str bool) value {
	n, src := int(r.regs[asm.R2].bits), r.regs[asm.R3]
	if n == 0 {
		return number(0)
	}
	p := r.bytes(asm.R1, n)
	clear(p)
	if from == kernelMemory && src.bits < 1<<63 {
		return errno(errRange) // copy_from_kernel_nofault_allowed
	}
	if str {
		return r.copyString(p, src, from)
	}
	if !r.peekInto(src, src.bits, p, from) {
		clear(p)
		return errno(errFault)
	}
	return number(0)
}

// copyString copies up to and with a NUL, which it adds if the string is longer.
func (r *run) copyString(p []byte, src value, from space) value {
	for i := range p {
		switch {
		case !r.peekInto(src, src.bits+uint64(i), p[i:i+1], from):
			clear(p)
			return errno(errFault)
		case p[i] == 0:
			return number(uint64(i + 1))
		}
	}
	p[len(p)-1] = 0
	return number(uint64(len(p)))
}

// peekInto reads memory: the program's own where src points there, else what
// the Env has.
func (r *run) peekInto(src value, addr uint64, p []byte, from space) bool {
	if from == kernelMemory && src.kind == pointer {
		at := addr - src.mem.base
		if size := uint64(len(src.mem.data)); at > size || uint64(len(p)) > size-at {
			return false
		}
		copy(p, src.mem.data[at:])
		return true
	}
	read := r.env.Memory
	if from == userMemory {
		read = r.env.User
	}
	return read != nil && read(addr, p)
}
