// Package disasm cuts x86-64 and arm64 code into instructions, prints them, and
// says where they lead.
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
// Operations and operands come from golang.org/x/arch, which is believed only
// where its length agrees: it is wrong on endbr64 and some system instructions,
// which are in tables of our own. They are written as objdump does. What nobody
// can read is shown as bytes.
//
// arm64 needs no decoder for boundaries: each instruction is 4 bytes.
package disasm

import (
	"fmt"
	"iter"
)

// An Arch is an instruction set. The zero value is x86-64.
type Arch uint8

// The instruction sets, with the names that GOARCH has for them.
const (
	AMD64 Arch = iota
	ARM64
)

// ArchNamed returns the instruction set that GOARCH calls name.
func ArchNamed(name string) (Arch, error) {
	switch name {
	case "amd64":
		return AMD64, nil
	case "arm64":
		return ARM64, nil
	}
	return 0, fmt.Errorf("instructions of %q are unknown: only those of amd64 and arm64 are", name)
}

// String is the name that GOARCH has for it.
func (a Arch) String() string {
	if a == ARM64 {
		return "arm64"
	}
	return "amd64"
}

// An Inst is one instruction: where it is and its bytes, no more and no less.
type Inst struct {
	Addr  uint64
	Bytes []byte
	Arch  Arch
}

// Walk yields the instructions of code, whose first byte is at addr, and ends
// before the first bytes that are no whole instruction.
func (a Arch) Walk(addr uint64, code []byte) iter.Seq[Inst] {
	return func(yield func(Inst) bool) {
		for len(code) > 0 {
			n, err := a.Length(code)
			if err != nil || !yield(Inst{addr, code[:n:n], a}) {
				return
			}
			addr, code = addr+uint64(n), code[n:]
		}
	}
}

// Length returns the length in bytes of the instruction at the start of code,
// which may go on behind it. It fails with ErrTruncated or ErrUndefined.
func (a Arch) Length(code []byte) (int, error) {
	if a == AMD64 {
		return Length(code)
	}
	if len(code) < wordSize {
		return 0, ErrTruncated
	}
	return wordSize, nil
}

// wordSize is the length of every instruction of arm64.
const wordSize = 4

// Walk is that of AMD64.
func Walk(addr uint64, code []byte) iter.Seq[Inst] { return AMD64.Walk(addr, code) }

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
