package interp

import (
	"encoding/binary"

	"ktrap/internal/diag"
)

// Context is what a program is called with in R1. The zero Context has no bytes.
type Context struct {
	data     []byte
	words    bool   // only whole words are read
	pointers uint64 // words that are typed pointers of the kernel
	writable bool
	zero     bool // the program must return 0
}

// Args is the context of a trampoline (fentry, fexit): arguments as words, the
// returned one behind them. A set bit of pointers tells that the word is a
// pointer whose type the verifier knows, so that it may be loaded from.
func Args(words []uint64, pointers uint64) Context {
	return Context{data: bytesOf(words), words: true, pointers: pointers, zero: true}
}

// Regs is the context of a kprobe: struct pt_regs.
func Regs(ptRegs []byte) Context { return Context{data: ptRegs} }

// RawTracepoint is the context of a raw tracepoint: words.
func RawTracepoint(words []uint64) Context { return Context{data: bytesOf(words)} }

// Syscall is the context of a program that BPF_PROG_TEST_RUN calls: bytes that
// it may change in place.
func Syscall(data []byte) Context { return Context{data: data, writable: true} }

func bytesOf(words []uint64) []byte {
	var b []byte
	for _, w := range words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}

// contextSpan is n bytes of the context at v+offset, or nil after a fault.
func (r *run) contextSpan(v value, offset int64, n int) []byte {
	c := &r.env.Context
	at := int64(v.bits-contextBase) + offset
	switch {
	case at < 0 || at+int64(n) > int64(len(c.data)):
		r.fault(diag.VerifierContext, "accesses %d bytes at %d of a context of %d bytes", n, at, len(c.data))
	case at%int64(n) != 0:
		r.fault(diag.VerifierContext, "accesses %d bytes at %d of the context, which is no multiple", n, at)
	case c.words && n != 8:
		r.fault(diag.VerifierContext, "reads %d bytes of an argument, which is read whole", n)
	default:
		return c.data[at : at+int64(n)]
	}
	return nil
}

// argument loads from the context.
func (r *run) argument(v value, offset int64, n int) value {
	p := r.contextSpan(v, offset, n)
	if p == nil {
		return value{}
	}
	loaded := number(load(p, n))
	if word := (v.bits - contextBase + uint64(offset)) / 8; r.env.Context.words && word < 64 && r.env.Context.pointers>>word&1 != 0 {
		loaded.kind = kernel
	}
	return loaded
}
