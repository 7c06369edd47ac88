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

// loops counts, and reports whether a loop goes on: as the kernel does it in the
// processor's stead, which looks at the counter after it has counted.
func (c *code) loops(r *Registers) bool {
	l := c.looping()
	left := r[CX]&l.Counter != 0
	if l.Counts {
		r[CX] = r[CX]&^l.Counter | (r[CX]-1)&l.Counter
	}
	return left == l.Counts && (r[Flags]^l.ZeroIs)&l.Zero == 0
}

// Looping is what a loop, or jrcxz, does: it jumps if the counter is not zero, and
// counts; or if it is zero, and does not.
type Looping struct {
	Counter      uint64 // the bits of cx that count
	Counts       bool
	Zero, ZeroIs uint64 // the bits of the flags that matter, and how they must be
}

func (c *code) looping() Looping {
	l := Looping{Counter: ^uint64(0), Counts: true}
	if c.addr32 {
		l.Counter = uint64(^uint32(0))
	}
	switch c.op[0] & 3 {
	case 0: // loopne
		l.Zero = Zero
	case 1: // loope
		l.Zero, l.ZeroIs = Zero, Zero
	case 3: // jrcxz
		l.Counts = false
	}
	return l
}
