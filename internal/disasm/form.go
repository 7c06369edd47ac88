package disasm

import (
	"encoding/binary"
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
	x, err := x86asm.Decode(in.Bytes, 64)
	// It is wrong wherever it disagrees on the length.
	if err != nil || x.Len != len(in.Bytes) || x.Op == 0 {
		return nil, false
	}
	f.op, f.name = x.Op, strings.ToLower(x.Op.String())
	f.dataSize, f.memBytes = x.DataSize, x.MemBytes
	f.flags = x.Prefix
	f.args = make([]x86asm.Arg, 0, len(x.Args))
	for _, arg := range x.Args {
		if arg != nil {
			f.args = append(f.args, arg)
		}
	}
	f.rename()
	return f, !f.isEVEX() || f.decorate(&x)
}

// prefixes are the bytes before the opcode, or before VEX and its like.
func (f *form) prefixes() []byte { return f.in.Bytes[:f.legacy] }

// opcode is the instruction from its opcode on.
func (f *form) opcode() []byte { return f.in.Bytes[f.layout.opcode:] }

// modrm is the instruction from its ModRM byte on, if the opcode has one.
func (f *form) modrm() []byte {
	op := f.opcode()
	switch {
	case f.layout.vector:
		return op[1:]
	case op[0] != 0x0f:
		return op[1:]
	case op[1] == 0x38 || op[1] == 0x3a:
		return op[3:]
	}
	return op[2:]
}

// A memory is an operand in memory as its bytes have it.
type memory struct {
	x86asm.Mem
	hasDisp bool // written even if it is 0
	noIndex bool // there is a place for one, which names none: %riz
}

// memory reads the operand from the bytes: x86asm loses the sign of a
// displacement of 32 bits, whether there is one, and %rip in vector instructions.
// m is its own idea.
func (f *form) memory(m x86asm.Mem) memory {
	mem := memory{Mem: m}
	if f.isString() {
		return mem
	}
	if op := f.opcode(); !f.layout.vector && op[0] >= 0xa0 && op[0] <= 0xa3 {
		mem.hasDisp = true
		return mem
	}
	rest := f.modrm()
	if len(rest) == 0 || rest[0]>>6 == 3 { // x86asm's error
		return mem
	}
	mod, base := rest[0]>>6, rest[0]&7
	_, extX, extB := f.extensions()
	sib := base == 4
	rest = rest[1:]
	mem.Index, mem.Scale = 0, 0
	if sib {
		mem.Scale = 1 << (rest[0] >> 6)
		switch index := rest[0]>>3&7 + extX; {
		case isVector(m.Index):
			mem.Index = m.Index
		case index != 4:
			mem.Index = f.pointer() + x86asm.Reg(index)
		default:
			// %rsp as base needs the place, and an address has nothing else.
			mem.noIndex = mem.Scale > 1 || rest[0]&7 != 4 && (mod != 0 || rest[0]&7 != 5)
		}
		base, rest = rest[0]&7, rest[1:]
	}
	mem.Base = f.pointer() + x86asm.Reg(base+extB)
	switch {
	case mod == 1:
		mem.hasDisp = true
		if !f.layout.vector { // in EVEX it is scaled
			mem.Disp = int64(int8(rest[0]))
		}
	case mod == 2, base == 5:
		mem.hasDisp = true
		mem.Disp = int64(int32(binary.LittleEndian.Uint32(rest)))
	}
	if mod == 0 && base == 5 {
		mem.Base = 0
		if !sib {
			mem.Base = x86asm.EIP
			if f.pointer() == x86asm.RAX {
				mem.Base = x86asm.RIP
			}
		}
	}
	return mem
}

func isVector(r x86asm.Reg) bool { return r >= x86asm.X0 && r <= x86asm.Z31 }

// pointer is the first register of the width of an address.
func (f *form) pointer() x86asm.Reg {
	if f.width.addr32 {
		return x86asm.EAX
	}
	return x86asm.RAX
}

// extensions are the fourth bits of the register, the index and the base of an
// operand: 8 or 0.
func (f *form) extensions() (r, x, b byte) {
	bits := byte(0)
	switch vector := f.in.Bytes[f.legacy:f.layout.opcode]; len(vector) {
	case 0:
		if f.legacy > 0 && f.in.Bytes[f.legacy-1]&0xf0 == 0x40 { // REX
			bits = f.in.Bytes[f.legacy-1]
		}
	case 2:
		bits = ^vector[1] >> 5 & 4
	default:
		bits = ^vector[1] >> 5
	}
	return bits << 1 & 8, bits << 2 & 8, bits << 3 & 8
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

// mem is the operand in memory, if there is one.
func (f *form) mem() (memory, bool) {
	for _, arg := range f.args {
		if m, ok := arg.(x86asm.Mem); ok {
			return f.memory(m), true
		}
	}
	return memory{}, false
}

// references are the addresses that the operands mean.
func (f *form) references() []Ref {
	var refs []Ref
	for _, arg := range f.args {
		switch arg := arg.(type) {
		case x86asm.Rel:
			refs = append(refs, Ref{Addr: f.in.End() + uint64(arg)})
		case x86asm.Imm:
			if addr := f.immediate(arg); f.dataSize == 64 && isKernel(addr) {
				refs = append(refs, Ref{Addr: addr})
			}
		case x86asm.Mem:
			if addr := f.absolute(f.memory(arg)); addr != 0 {
				refs = append(refs, Ref{Addr: addr})
			}
		}
	}
	return refs
}

// absolute is the address of an operand in memory that no register but %rip has a
// part in, or of the table that an index goes through.
func (f *form) absolute(m memory) uint64 {
	switch {
	case m.Base == x86asm.RIP:
		return f.in.End() + uint64(m.Disp)
	case m.hasDisp && isKernel(uint64(m.Disp)) && m.Base == 0:
		return uint64(m.Disp)
	}
	return 0
}

// isKernel reports whether an operand of 32 bits can be an address in the kernel
// or a module, which live in the top 2 GB: the last 16 MB are errno values and
// fixed mappings.
func isKernel(addr uint64) bool {
	return addr >= 0xffffffff80000000 && addr < 0xffffffffff000000
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
