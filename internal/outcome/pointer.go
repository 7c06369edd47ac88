package outcome

// pointer is where an instruction leaves the stack pointer: at an address that
// registers make, with the low bits cleared that mask lacks.
type pointer struct {
	base, index Reg
	scale       uint64
	add         uint64
	minus       bool // the index is taken away
	mask        uint64
}

func by(delta int64) pointer {
	return pointer{base: SP, index: None, add: uint64(delta), mask: ^uint64(0)}
}

func (p pointer) at(r Registers) uint64 {
	sp := r[p.base] + p.add
	if p.index != None {
		offset := r[p.index] * p.scale
		if p.minus {
			offset = -offset
		}
		sp += offset
	}
	return sp & p.mask
}

// stackPointer is where the instruction leaves the stack pointer, if that is known
// from the registers before it.
func (c *code) stackPointer() (pointer, bool) {
	if c.vector || !c.effect().writes.Has(SP) {
		return by(0), true
	}
	word := int64(8)
	if c.word {
		word = 2
	}
	switch op := c.op[0]; {
	case op>>3 == 0x50>>3, op == 0x68, op == 0x6a, op == 0x9c, op == 0xff:
		return by(-word), true
	case op>>3 == 0x58>>3:
		return by(word), c.opcodeReg(op) != SP
	case op == 0x8f:
		m, _ := c.modrm()
		return by(word), m.mod != 3 || m.rm != SP
	case op == 0x9d:
		return by(word), true
	case op == 0x0f:
		return c.pushedSegment(word)
	case op == 0xc9 && !c.word: // leave
		return pointer{base: BP, index: None, add: 8, mask: ^uint64(0)}, true
	case c.wide():
		return c.computedPointer(op)
	}
	return pointer{}, false
}

func (c *code) pushedSegment(word int64) (pointer, bool) {
	switch c.op[1] {
	case 0xa0, 0xa8:
		return by(-word), true
	case 0xa1, 0xa9:
		return by(word), true
	}
	return pointer{}, false
}

// computedPointer is of an instruction whose result is the stack pointer.
func (c *code) computedPointer(op byte) (pointer, bool) {
	m, ok := c.modrm()
	if !ok {
		return pointer{}, false
	}
	whole := ^uint64(0)
	switch {
	case op == 0x8d:
		a, ok := c.address()
		if !ok || c.addr32 || a.Base == IP || a.Base == None {
			return pointer{}, false
		}
		return pointer{base: a.Base, index: a.Index, scale: a.Scale, add: a.Disp, mask: whole}, true
	case m.mod != 3:
		return pointer{}, false
	case op == 0x89:
		return pointer{base: m.reg, index: None, mask: whole}, true
	case op == 0x8b:
		return pointer{base: m.rm, index: None, mask: whole}, true
	case op == 0x01, op == 0x29:
		return pointer{base: SP, index: m.reg, scale: 1, minus: op == 0x29, mask: whole}, true
	case op == 0x03, op == 0x2b:
		return pointer{base: SP, index: m.rm, scale: 1, minus: op == 0x2b, mask: whole}, true
	case op == 0x81, op == 0x83:
		return c.adjusted(m, op)
	}
	return pointer{}, false
}

// adjusted is of add, sub and and with an immediate.
func (c *code) adjusted(m modrm, op byte) (pointer, bool) {
	size := 4
	if op == 0x83 {
		size = 1
	}
	imm := c.immediate(size)
	switch m.reg & 7 {
	case 0:
		return by(int64(imm)), true
	case 5:
		return by(-int64(imm)), true
	case 4:
		return pointer{base: SP, index: None, mask: imm}, true
	}
	return pointer{}, false
}
