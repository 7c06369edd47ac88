package disasm

import (
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// A form is an instruction of x86 taken apart for printing: what both syntaxes
// need to know of it.
type form struct {
	in     Inst
	layout layout
	legacy int    // length of the prefixes before VEX and its like, with REX
	name   string // Intel's, in lower case
	args   []x86asm.Arg
	// isImplied says that args is fixed, which Intel's syntax does not show.
	isImplied bool
	// As in x86asm.Inst; op is 0 for an instruction out of our own table.
	op       x86asm.Op
	width    widths
	dataSize int // bits
	memBytes int // of the operand in memory
	flags    x86asm.Prefixes
	// Of EVEX: which parts of the result are written, what becomes of the others,
	// and "{1to8}" for an operand in memory that is repeated.
	mask      x86asm.Reg
	zeroes    bool
	broadcast string
}

// form takes the instruction apart, if anybody can.
func (in Inst) form() (*form, bool) {
	f := &form{in: in, layout: look(in.Bytes)}
	if f.layout.end != len(in.Bytes) || in.IsEmulated() {
		return nil, false
	}
	var w window
	copy(w[:], in.Bytes)
	f.legacy, f.width = prefixes(&w)
	if f.own() {
		return f, true
	}
	return f, f.decode()
}

// decode has x86asm read the instruction, which is wrong wherever it disagrees on
// the length.
func (f *form) decode() bool {
	x, err := x86asm.Decode(f.in.Bytes, 64)
	if err != nil || x.Len != len(f.in.Bytes) || x.Op == 0 {
		return false
	}
	f.op, f.name, f.flags = x.Op, strings.ToLower(x.Op.String()), x.Prefix
	f.dataSize, f.memBytes = x.DataSize, x.MemBytes
	f.args = make([]x86asm.Arg, 0, len(x.Args))
	for _, arg := range x.Args {
		if arg != nil {
			f.args = append(f.args, arg)
		}
	}
	f.rename()
	return !f.isEVEX() || f.decorate(&x)
}

// prefixes are the bytes before the opcode, or before VEX and its like.
func (f *form) prefixes() []byte { return f.in.Bytes[:f.legacy] }

// opcode is the instruction from its opcode on.
func (f *form) opcode() []byte { return f.in.Bytes[f.layout.opcode:] }

// modrm is the instruction from its ModRM byte on, if the opcode has one.
func (f *form) modrm() []byte {
	op := f.opcode()
	switch {
	case f.layout.vector || op[0] != 0x0f:
		return op[1:]
	case op[1] == 0x38 || op[1] == 0x3a:
		return op[3:]
	}
	return op[2:]
}

// isString reports whether the operands are where %rsi and %rdi point, or %rbx for
// xlat, which nothing in the bytes says.
func (f *form) isString() bool {
	if f.layout.vector {
		return false
	}
	switch op := f.opcode()[0]; op {
	case 0x6c, 0x6d, 0x6e, 0x6f, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xd7:
		return true
	}
	return false
}

// immediate is an immediate as wide as the operation.
func (f *form) immediate(imm x86asm.Imm) uint64 {
	switch f.dataSize {
	case 16:
		return uint64(uint16(imm))
	case 32:
		return uint64(uint32(imm))
	}
	return uint64(imm)
}
