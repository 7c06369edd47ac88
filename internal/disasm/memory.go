package disasm

import (
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"
)

// A memory is an operand in memory as its bytes have it.
type memory struct {
	x86asm.Mem
	hasDisp bool // written even if it is 0
	noIndex bool // there is a place for one, which names none: %riz
}

// hasMemory reports whether an operand is in memory.
func (f *form) hasMemory() bool {
	for _, arg := range f.args {
		if _, ok := arg.(x86asm.Mem); ok {
			return true
		}
	}
	return false
}

// memory reads the operand from the bytes: x86asm loses the sign of a
// displacement of 32 bits, whether there is one, and %rip in vector instructions.
// m is its own idea, which is right where ModRM says nothing.
func (f *form) memory(m x86asm.Mem) memory {
	isOffset := !f.layout.vector && f.opcode()[0]&^3 == 0xa0 // of mov, 8 bytes
	if rest := f.modrm(); isOffset || f.isString() || len(rest) == 0 || rest[0]>>6 == 3 {
		return memory{Mem: m, hasDisp: isOffset}
	}
	return f.addressed(m)
}

// addressed reads ModRM, SIB and the displacement.
func (f *form) addressed(m x86asm.Mem) memory {
	rest := f.modrm()
	mod, base := rest[0]>>6, rest[0]&7
	_, _, extension := f.extensions()
	mem := memory{Mem: x86asm.Mem{Disp: m.Disp}}
	hasSIB := base == 4
	rest = rest[1:]
	if hasSIB {
		f.readSIB(&mem, rest[0], mod, m.Index)
		base, rest = rest[0]&7, rest[1:]
	}
	mem.Base = f.pointer() + x86asm.Reg(base+extension)
	switch {
	case mod == 0 && base == 5 && hasSIB:
		mem.Base = 0
	case mod == 0 && base == 5:
		mem.Base = map[x86asm.Reg]x86asm.Reg{x86asm.RAX: x86asm.RIP, x86asm.EAX: x86asm.EIP}[f.pointer()]
	}
	mem.readDisp(rest, mod, base, f.isEVEX())
	return mem
}

// readSIB reads the index. A vector of them is as x86asm has it.
func (f *form) readSIB(mem *memory, sib, mod byte, vector x86asm.Reg) {
	_, extension, _ := f.extensions()
	mem.Scale = 1 << (sib >> 6)
	switch index, base := sib>>3&7+extension, sib&7; {
	case isVector(vector):
		mem.Index = vector
	case index != 4:
		mem.Index = f.pointer() + x86asm.Reg(index)
	default:
		// %rsp as base needs the place, and an address has nothing else.
		mem.noIndex = mem.Scale > 1 || base != 4 && (mod != 0 || base != 5)
	}
}

func isVector(r x86asm.Reg) bool { return r >= x86asm.X0 && r <= x86asm.Z31 }

// readDisp reads the displacement. EVEX scales a byte, which x86asm has done.
func (mem *memory) readDisp(rest []byte, mod, base byte, isScaled bool) {
	switch {
	case mod == 1:
		mem.hasDisp = true
		if !isScaled {
			mem.Disp = int64(int8(rest[0]))
		}
	case mod == 2, mod == 0 && base == 5:
		mem.hasDisp = true
		mem.Disp = int64(int32(binary.LittleEndian.Uint32(rest)))
	}
}

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

// MemoryText is the operand in memory in AT&T syntax, "" if there is none or the
// instruction can't be read.
func (in Inst) MemoryText() string {
	if in.Arch != AMD64 {
		return ""
	}
	f, ok := in.form()
	if !ok {
		return ""
	}
	for i, arg := range f.args {
		if _, ok := arg.(x86asm.Mem); ok {
			return f.attArg(i, arg)
		}
	}
	return ""
}
