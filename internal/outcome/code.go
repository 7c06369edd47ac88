package outcome

import (
	"encoding/binary"

	"ktrap/internal/disasm"
)

// code is an instruction taken apart as far as it concerns the registers.
type code struct {
	in      disasm.Inst
	op      []byte // from the opcode on
	rex     byte
	word    bool // 66
	rep     byte // f2, f3 or 0
	addr32  bool // 67
	segment byte // 64 for fs, 65 for gs, or 0
	vector  bool // VEX, EVEX or XOP
}

func take(in disasm.Inst) code {
	c := code{in: in, op: in.Opcode(), vector: in.IsVector()}
	for _, b := range in.Bytes[:len(in.Bytes)-len(c.op)] {
		switch {
		case c.vector:
			return c
		case b == 0x66:
			c.word = true
		case b == 0x67:
			c.addr32 = true
		case b == 0xf2, b == 0xf3:
			c.rep = b
		case b == 0x64, b == 0x65:
			c.segment = b
		}
		c.rex = 0
		if b&0xf0 == 0x40 {
			c.rex = b
		}
	}
	return c
}

func (c *code) wide() bool { return c.rex&8 != 0 }

// modrm is the operands' byte: the register, and what is a register too if mod is 3.
type modrm struct {
	mod     byte
	reg, rm Reg
	rest    []byte // behind it
}

func (c *code) modrm() (m modrm, ok bool) {
	at := 1
	if c.op[0] == 0x0f && len(c.op) > 2 {
		at = 2
		if c.op[1] == 0x38 || c.op[1] == 0x3a {
			at = 3
		}
	}
	if at >= len(c.op) {
		return m, false
	}
	b := c.op[at]
	return modrm{b >> 6, Reg(b>>3&7 | c.rex<<1&8), Reg(b&7 | c.rex<<3&8), c.op[at+1:]}, true
}

// opcodeReg is the register in the opcode's last three bits.
func (c *code) opcodeReg(op byte) Reg { return Reg(op&7 | c.rex<<3&8) }

// byteReg is the register that r is a part of in an operation on bytes: without
// REX the upper four are second bytes.
func (c *code) byteReg(r Reg) Reg {
	if c.rex == 0 && r >= SP && r <= DI {
		return r - SP
	}
	return r
}

// isNop reports whether the instruction changes nothing but ip.
func (c *code) isNop() bool {
	switch {
	case c.in.IsEndbr():
		return true
	case c.vector, len(c.op) == 0:
		return false
	case c.op[0] == 0x90:
		return c.rex&1 == 0
	}
	return c.op[0] == 0x0f && len(c.op) > 2 && (c.op[1] == 0x1f || c.op[1] == 0x0d || c.op[1] == 0x18)
}

func (c *code) isJump() bool { return c.in.Flow(nil).Kind == disasm.Jump }

// immediate is the sign-extended immediate that ends the instruction.
func (c *code) immediate(size int) uint64 {
	b := c.op[len(c.op)-size:]
	switch size {
	case 1:
		return uint64(int8(b[0]))
	case 2:
		return uint64(int16(binary.LittleEndian.Uint16(b)))
	}
	return uint64(int32(binary.LittleEndian.Uint32(b)))
}
