package interp

import (
	"encoding/binary"

	"ktrap/internal/diag"
)

// Addresses where the program's objects seem to lie, in parts of the address
// space where x86-64 keeps such things.
const (
	contextBase = 0xffffc90000000000
	stackBase   = 0xffffc90000100000
	recordBase  = 0xffffc91000000000
	mapBase     = 0xffff888000000000
)

const stackSize = 512

// memory is one object of the program's: its stack, a map's value, a record.
type memory struct {
	base  uint64
	data  []byte
	what  string
	frame *frame // of the stack
	lock  bool   // read-only
}

// frame is what the verifier tracks of a stack.
type frame struct {
	data    [stackSize]byte
	written [stackSize]bool
	spilled [stackSize / 8]value // what an aligned slot holds, unless it is unset: then bytes
}

// span is the n bytes at v+offset, or nil after a fault.
func (r *run) span(v value, offset int64, n int, doing string) []byte {
	switch v.kind {
	case pointer:
	case maybe:
		r.fault(diag.VerifierNull, "%s through a pointer that was not compared with nil", doing)
		return nil
	case released:
		r.fault(diag.VerifierReference, "%s in a record that was given back", doing)
		return nil
	case unset:
		r.fault(diag.VerifierUninit, "%s through a register that holds nothing", doing)
		return nil
	default:
		r.fault(diag.VerifierMemory, "%s through %s", doing, v.kind)
		return nil
	}
	at := v.bits + uint64(offset) - v.mem.base
	if size := uint64(len(v.mem.data)); at >= size && n > 0 || at+uint64(n) > size || at+uint64(n) < at {
		r.outside(v.mem, int64(at), n, doing)
		return nil
	}
	return v.mem.data[at : at+uint64(n)]
}

func (r *run) outside(mem *memory, at int64, n int, doing string) {
	if mem.frame != nil {
		r.fault(diag.VerifierStack, "%s %d bytes at %d of the stack, which ends at -%d", doing, n, at-stackSize, stackSize)
		return
	}
	code := diag.VerifierMapValue
	if mem.what == record {
		code = diag.VerifierRecord
	}
	r.fault(code, "%s %d bytes at %d of %s of %d bytes", doing, n, at, mem.what, len(mem.data))
}

// slot is where in the stack an access lies.
func slot(v value, offset int64) int { return int(v.bits + uint64(offset) - stackBase) }

// fill loads from the stack.
func (r *run) fill(v value, offset int64, n int, p []byte) value {
	at := slot(v, offset)
	if at%n != 0 {
		r.fault(diag.VerifierMisaligned, "reads %d bytes at %d of the stack, which is no multiple", n, at-stackSize)
		return value{}
	}
	if held := r.frame.spilled[at/8]; held.kind != unset {
		if n != 8 && held.kind == word {
			return number(load(p, n))
		}
		if n != 8 {
			r.fault(diag.VerifierStack, "reads %d bytes of a pointer that lies at %d of the stack", n, at/8*8-stackSize)
		}
		return held
	}
	if !r.written(at, n) {
		return value{}
	}
	return number(load(p, n))
}

// written says whether n bytes of the stack hold something; it is a fault if not.
func (r *run) written(at, n int) bool {
	for i, ok := range r.frame.written[at : at+n] {
		if !ok {
			r.fault(diag.VerifierUninit, "reads the stack at %d, where nothing was written", at+i-stackSize)
			return false
		}
	}
	return true
}

// spill stores to the stack.
func (r *run) spill(v value, offset int64, n int, p []byte, what value) {
	at := slot(v, offset)
	switch {
	case at%n != 0:
		r.fault(diag.VerifierMisaligned, "writes %d bytes at %d of the stack, which is no multiple", n, at-stackSize)
	case what.kind == scalar, what.kind == word && n != 8:
		r.overwrite(at, n)
	case n != 8:
		r.fault(diag.VerifierStack, "writes %d bytes of %s to the stack", n, what.kind)
	default:
		r.overwrite(at, n)
		r.frame.spilled[at/8] = what
	}
	store(p, n, what.bits)
}

// overwrite marks n bytes of the stack as written with plain bytes.
func (r *run) overwrite(at, n int) {
	for i := at; i < at+n; i++ {
		r.frame.written[i] = true
	}
	for i := at / 8; i <= (at+n-1)/8; i++ {
		r.frame.spilled[i] = value{}
	}
}

// input is n bytes that a helper reads at v.
func (r *run) input(v value, n int, doing string) []byte {
	p := r.span(v, 0, n, doing)
	if p != nil && v.mem.frame != nil && !r.written(slot(v, 0), n) {
		return nil
	}
	return p
}

// output is n bytes that a helper writes at v.
func (r *run) output(v value, n int, doing string) []byte {
	p := r.span(v, 0, n, doing)
	if p != nil && v.mem.frame != nil && n > 0 {
		r.overwrite(slot(v, 0), n)
	}
	return p
}

var le = binary.LittleEndian

func load(p []byte, n int) uint64 {
	switch n {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(le.Uint16(p))
	case 4:
		return uint64(le.Uint32(p))
	}
	return le.Uint64(p)
}

func store(p []byte, n int, bits uint64) {
	switch n {
	case 1:
		p[0] = byte(bits)
	case 2:
		le.PutUint16(p, uint16(bits))
	case 4:
		le.PutUint32(p, uint32(bits))
	default:
		le.PutUint64(p, bits)
	}
}
