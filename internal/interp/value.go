package interp

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// kind is what a register holds.
type kind uint8

const (
	unset    kind = iota // nothing was ever written, or a call destroyed it
	scalar               // a number
	pointer              // into a memory of the program: stack, map value, record
	maybe                // a pointer that may be nil until the program looks
	context              // the context
	mapping              // a map
	kernel               // an address of the kernel that may be loaded from
	word                 // eight bytes of the kernel: which of the two, the verifier knows by their type
	released             // a pointer to a record that was given back
)

func (k kind) String() string {
	return [...]string{"nothing", "a number", "a pointer", "a pointer that may be nil", "the context", "a map", "an address of the kernel", "a word of the kernel", "a record that was given back"}[k]
}

// value is a register's content. All pointers are also numbers (bits), at
// addresses that no two objects share.
type value struct {
	kind kind
	id   uint32 // of a maybe: its copies are judged together
	bits uint64
	mem  *memory // of a pointer or maybe, and nil in a maybe that is nil
	m    *Map    // of a mapping
}

func number(n uint64) value { return value{kind: scalar, bits: n} }

// plain is v as a number, where it may be one.
func (v value) plain() value {
	if v.kind == word {
		v.kind = scalar
	}
	return v
}

// known makes every copy of a pointer that was compared with nil what it is.
func (r *run) known(id uint32) {
	for i := range r.regs {
		r.regs[i].settle(id)
	}
	for i := range r.frame.spilled {
		r.frame.spilled[i].settle(id)
	}
}

func (v *value) settle(id uint32) {
	if v.kind != maybe || v.id != id {
		return
	}
	if v.mem == nil {
		*v = number(0)
		return
	}
	v.kind = pointer
}

// release takes a record out of the program's hands.
func (r *run) release(mem *memory) {
	for i := range r.regs {
		if r.regs[i].mem == mem {
			r.regs[i] = value{kind: released}
		}
	}
	for i := range r.frame.spilled {
		if r.frame.spilled[i].mem == mem {
			r.frame.spilled[i] = value{kind: released}
		}
	}
}

// read is a register's value; reading one that holds nothing is a fault.
func (r *run) read(reg asm.Register) value {
	v := r.regs[reg]
	switch v.kind {
	case unset:
		r.fault(diag.VerifierUninit, "R%d is read and holds nothing", reg)
	case released:
		r.fault(diag.VerifierReference, "R%d is read, and its record was given back", reg)
	}
	return v
}
