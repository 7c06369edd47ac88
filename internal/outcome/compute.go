package outcome

// computation is how the registers after follow from those before.
type computation uint8

const (
	none computation = iota
	stay
	jump
	condition
	loop
	call
	callRegister
	jumpRegister
	ret
)

// After is what a Computed instruction leaves of the registers. word is what the
// stack pointer points to, which matters only if o.Stack is set.
func (o *Outcome) After(r Registers, word uint64) Registers {
	next := o.Behind
	switch o.compute {
	case jump:
		next = o.target
	case condition:
		if o.code.holds(r[Flags]) {
			next = o.target
		}
	case loop:
		if o.code.loops(&r) {
			next = o.target
		}
	case call:
		r[SP] -= 8
		next = o.target
	case callRegister:
		next = r[o.code.operand()]
		r[SP] -= 8
	case jumpRegister:
		next = r[o.code.operand()]
	case ret:
		next = word
		r[SP] += 8
		if o.code.op[0] == 0xc2 {
			r[SP] += uint64(uint16(o.code.immediate(2)))
		}
	}
	r[IP] = next
	return r
}

// SP is where an Observed instruction leaves the stack pointer.
func (o *Outcome) SP(r Registers) uint64 { return o.pointer.at(r) }

// operand is the register that an indirect branch goes to.
func (c *code) operand() Reg {
	m, _ := c.modrm()
	return m.rm
}

// holds reports whether the condition of a jump is fulfilled.
func (c *code) holds(flags uint64) bool { return Condition(c.condition(), flags) }

// condition is the number of the condition of a jump.
func (c *code) condition() byte {
	if c.op[0] == 0x0f {
		return c.op[1] & 15
	}
	return c.op[0] & 15
}

// Condition reports whether the condition of a number, as in jcc, setcc and
// cmovcc, is fulfilled.
func Condition(number byte, flags uint64) bool {
	has := func(bit uint64) bool { return flags&bit != 0 }
	less := has(Sign) != has(Overflow)
	held := [8]bool{
		has(Overflow), has(Carry), has(Zero), has(Carry) || has(Zero),
		has(Sign), has(Parity), less, has(Zero) || less,
	}[number>>1&7]
	return held != (number&1 != 0)
}

// loops counts, and reports whether a loop goes on.
func (c *code) loops(r *Registers) bool {
	kind := c.op[0] & 3
	if kind < 3 {
		r[CX] = c.count(r[CX] - 1)
	}
	done := c.count(r[CX]) == 0
	switch kind {
	case 0:
		return !done && r[Flags]&Zero == 0
	case 1:
		return !done && r[Flags]&Zero != 0
	case 2:
		return !done
	}
	return done // jrcxz
}

// count is cx as wide as addresses are.
func (c *code) count(cx uint64) uint64 {
	if c.addr32 {
		return uint64(uint32(cx))
	}
	return cx
}
