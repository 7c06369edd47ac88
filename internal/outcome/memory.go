package outcome

import "encoding/binary"

// Memory is where an operand in memory is.
type Memory struct {
	Base, Index Reg // None if absent; a Base of IP counts from behind the instruction
	Scale       uint64
	Disp        uint64 // sign-extended
	PerCPU      bool   // counted from %gs, where each processor has its own data
	Size        int    // bytes; 0 if that is not known
	Written     bool
}

// At is the address, of all but what is PerCPU.
func (m Memory) At(r Registers) uint64 {
	addr := m.Disp
	if m.Base != None {
		addr += r[m.Base]
	}
	if m.Index != None {
		addr += r[m.Index] * m.Scale
	}
	return addr
}

// Memory is the operand that the instruction has in memory. ok is false if it has
// none, or one that is not simply addressed.
func (o *Outcome) Memory() (m Memory, ok bool) {
	c := &o.code
	if c.vector || len(c.op) == 0 || c.addr32 || c.segment == 0x64 || c.isNop() || o.Kind == Impossible || o.compute != none {
		return m, false
	}
	w := c.effect()
	if w.size == 0 {
		return m, false
	}
	if m, ok = c.address(); !ok {
		return m, false
	}
	m.Size, m.Written, m.PerCPU = w.size, w.stores, c.segment == 0x65
	return m, true
}

// address reads ModRM, SIB and the displacement.
func (c *code) address() (m Memory, ok bool) {
	b, ok := c.modrm()
	if !ok || b.mod == 3 {
		return m, false
	}
	m = Memory{Base: b.rm, Index: None, Scale: 1}
	rest, low := b.rest, byte(b.rm)&7
	if low == 4 {
		if len(rest) == 0 {
			return m, false
		}
		sib := rest[0]
		rest, low = rest[1:], sib&7
		m.Base = Reg(low | c.rex<<3&8)
		if index := Reg(sib>>3&7 | c.rex<<2&8); index != SP {
			m.Index, m.Scale = index, 1<<(sib>>6)
		}
		if low == 5 && b.mod == 0 {
			m.Base = None
		}
	} else if low == 5 && b.mod == 0 {
		m.Base = IP
	}
	switch {
	case b.mod == 1 && len(rest) >= 1:
		m.Disp = uint64(int8(rest[0]))
	case (b.mod == 2 || b.mod == 0 && low == 5) && len(rest) >= 4:
		m.Disp = uint64(int32(binary.LittleEndian.Uint32(rest)))
	case b.mod != 0 || low == 5:
		return m, false
	}
	return m, true
}
