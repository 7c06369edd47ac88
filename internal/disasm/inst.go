// Package disasm cuts x86-64 code into instructions.
//
// It promises the boundaries that the kernel's own decoder sees, which decide
// where a kprobe may stand. It reads no memory but the bytes it is given and
// knows no symbols. An instruction is
//
//	[66 67 f0 f2 f3 and segments] [REX]   opcode [ModRM [SIB] [displacement]] [immediate]
//	                     [VEX, EVEX or XOP] opcode …
//
// and its length follows from the opcode's place in two maps, which are written
// as strings with a letter for the shape of the operands.
//
// Text comes from golang.org/x/arch, which is believed only where its length
// agrees: it is wrong on endbr64 and some system instructions.
//
// arm64 needs no decoder for boundaries (each instruction is 4 bytes); Walk is
// the place where another architecture's step would be chosen.
package disasm

import "iter"

// An Inst is one instruction: where it is and its bytes, no more and no less.
type Inst struct {
	Addr  uint64
	Bytes []byte
}

// Walk yields the instructions of code, whose first byte is at addr, and ends
// before the first bytes that are no whole instruction.
func Walk(addr uint64, code []byte) iter.Seq[Inst] {
	return func(yield func(Inst) bool) {
		for len(code) > 0 {
			n, err := Length(code)
			if err != nil || !yield(Inst{addr, code[:n:n]}) {
				return
			}
			addr, code = addr+uint64(n), code[n:]
		}
	}
}

// End is the address behind the instruction.
func (in Inst) End() uint64 { return in.Addr + uint64(len(in.Bytes)) }

// Opcode is the instruction from its opcode on, without any kind of prefix.
func (in Inst) Opcode() []byte { return in.Bytes[look(in.Bytes).opcode:] }

// IsVector reports whether the instruction is encoded with VEX, EVEX or XOP.
func (in Inst) IsVector() bool { return look(in.Bytes).vector }

// IsEmulated reports whether a hypervisor is to emulate the instruction: it
// begins with a ud2 and "xen" or "kvm", which count as its prefix.
func (in Inst) IsEmulated() bool {
	return len(in.Bytes) > len("\x0f\x0b") && string(in.Bytes[:2]) == "\x0f\x0b"
}

// IsEndbr reports whether the instruction is a landing place of indirect
// branches, or what the kernel writes over one that nothing branches to.
func (in Inst) IsEndbr() bool {
	switch string(in.Bytes) {
	case "\xf3\x0f\x1e\xfa", "\xf3\x0f\x1e\xfb", // endbr64, endbr32
		"\x66\x0f\x1f\x00", // sealed by 6.12
		"\x0f\x1f\x40\xd6": // sealed by 7.3
		return true
	}
	return false
}
