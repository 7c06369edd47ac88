package outcome

// Next says where a Computed instruction leads.
type Next uint8

// The ways.
const (
	Onward       Next = iota // to Behind
	ToTarget                 // to Target
	IfHeld                   // to Target if Condition is fulfilled, else to Behind
	IfLooping                // to Target if Looping says so, which also counts
	FromRegister             // to where Register points, as it was before
	FromStack                // to the word that the stack pointer points to
)

// Formula is what a Computed instruction does to the registers, for who can't call
// After: it adds SP to the stack pointer and sets ip by Next.
type Formula struct {
	SP        uint64
	Next      Next
	Target    uint64
	Register  Reg
	Condition byte // see the function Condition
	Looping
}

// Formula is that of a Computed outcome.
func (o *Outcome) Formula() (f Formula) {
	f.Target = o.target
	switch o.compute {
	case stay:
		f.Next = Onward
	case jump:
		f.Next = ToTarget
	case condition:
		f.Next, f.Condition = IfHeld, o.code.condition()
	case call:
		f.Next, f.SP = ToTarget, ^uint64(7)
	case callRegister:
		f.Next, f.SP, f.Register = FromRegister, ^uint64(7), o.code.operand()
	case jumpRegister:
		f.Next, f.Register = FromRegister, o.code.operand()
	case ret:
		f.Next, f.SP = FromStack, 8
	case loop:
		f.Next, f.Looping = IfLooping, o.code.looping()
	}
	return f
}

// Pointer is where an Observed instruction leaves the stack pointer: (Base + Add ±
// Index*Scale) & Mask.
type Pointer struct {
	Base, Index Reg // Index is None if there is none
	Scale       uint64
	Minus       bool
	Add, Mask   uint64
}

// Pointer is the outcome's: what SP computes.
func (o *Outcome) Pointer() Pointer {
	p := o.pointer
	return Pointer{p.base, p.index, p.scale, p.minus, p.add, p.mask}
}
