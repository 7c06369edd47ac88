// Package ir is the compiler's own language between Go and BPF: functions of
// basic blocks, blocks of three-address instructions over virtual registers.
//
// Registers are mutable: a Go variable is one register, assigned as often as the
// program assigns it, and a temporary is one that is assigned once. There are no
// phis to build and to undo.
//
// A register holds 64 bits. A value of 32 bits or less has a zero upper half, and
// a narrower one is extended to 32 bits by its own sign: int8(-1) is 0xffffffff.
// So Wide says of an operation whether it works on 64 bits or on the lower 32,
// where it clears the upper half.
//
// Reads of the kernel's memory stay abstract (Read, Copy, Text) until the program's
// context is known: see package lower.
package ir

import (
	"go/token"

	"ktrap/internal/btf"
)

// Reg is a virtual register; 0 is none.
type Reg int32

// Func is one handler.
type Func struct {
	Name   string
	Blocks []*Block // the first is the entry
	Regs   []Info   // by Reg
	Slots  []Slot   // memory on the program's stack
}

// Info is what is known of a register.
type Info struct {
	Struct btf.ID // it points to this kernel struct; 0 for anything else
	Fixed  int8   // the machine register that holds it on entry, plus 1; 0 for none
}

// Slot is memory on the stack, 8 bytes aligned.
type Slot struct {
	Size int
	Text bool // what is behind the first NUL is not looked at
}

// Block is a run of instructions that is entered at its top.
type Block struct {
	ID  int // its index in Func.Blocks after Number
	Ins []Ins
	End End
}

// EndKind says how a block ends.
type EndKind uint8

const (
	Exit   EndKind = iota // the program ends
	Jump                  // to To[0]
	Branch                // to To[0] if A Cond B, else to To[1]
)

// End is a block's last act.
type End struct {
	Kind EndKind
	Cond Cond
	Wide bool
	A, B Operand
	To   [2]*Block
	Pos  token.Pos
}

// Succ lists where the block may go on.
func (b *Block) Succ() []*Block { return b.End.To[:b.End.Kind] }

// Cond compares two values.
type Cond uint8

const (
	Eq Cond = iota
	Ne
	Lt // unsigned
	Le
	Gt
	Ge
	SLt
	SLe
	SGt
	SGe
	Set // A & B != 0
)

// Op is what an instruction does.
type Op uint8

const (
	Mov Op = iota // Dst = A
	Add
	Sub
	Mul
	And
	Or
	Xor
	Shl
	Shr
	Sar
	Div // unsigned; by zero 0
	Mod // unsigned; by zero A
	Neg
	Load    // Dst = memory of our own at A+Off, zero-extended
	Store   // our own memory at A+Off = B
	Atomic  // our own memory at A+Off += B
	Vars    // Dst = address of the file's variables, plus Off
	Arg     // Dst = word Off of the context's arguments
	Ret     // Dst = the returned word
	Saved   // Dst = the saved register at Off in struct pt_regs; if From is Before, as it was before the instruction
	Ctx     // Dst = what the program was called with
	Point   // Dst = the number of the point that was hit
	Tally   // the point's counter at Off += 1
	Tallied // Dst = the point's counter at Off
	Caller  // Dst = what only this one of all running calls of the function has, at its entry and at its return
	Read    // Dst = Size bytes of kernel memory at A+Off
	Copy    // our own memory at A+Off = Size bytes of kernel memory at B+From
	Text    // the same up to a NUL
	Plain   // Dst = A, a kernel pointer, as a number
	Call    // Dst = helper Fn(Args)
	Kfunc   // Dst = kernel function Fn(Args)
)

// Before as a Saved's From: of a post handler.
const Before = 1

// Ins is one instruction.
type Ins struct {
	Op   Op
	Wide bool
	Pure bool // a Call whose result depends on its arguments alone
	User bool // Read, Copy, Text: of the process's memory
	Dst  Reg
	A, B Operand
	Off  int32
	From int32
	Size int32 // bytes of memory
	Fn   int32
	Args []Operand
	Pos  token.Pos
}

// Kind says what an Operand is.
type Kind uint8

const (
	None  Kind = iota
	Const      // Imm
	Value      // a register
	Frame      // the address of slot Index, plus Imm
	Map        // the map Index: of the file's, or one of those below
)

// Maps that are not a file's own.
const (
	Ring   = -1 // of records
	Counts = -2
	State  = -3
)

// Operand is what an instruction works on.
type Operand struct {
	Kind  Kind
	Reg   Reg
	Index int32
	Imm   int64
}

// R is the operand of a register.
func R(r Reg) Operand { return Operand{Kind: Value, Reg: r} }

// C is the operand of a constant.
func C(v int64) Operand { return Operand{Kind: Const, Imm: v} }

// Is reports whether o is the constant v.
func (o Operand) Is(v int64) bool { return o.Kind == Const && o.Imm == v }

// Plus moves a Frame operand by n bytes.
func (o Operand) Plus(n int64) Operand {
	o.Imm += n
	return o
}

// New is a function without blocks.
func New(name string) *Func { return &Func{Name: name, Regs: make([]Info, 1)} }

// NewReg adds a register.
func (f *Func) NewReg(i Info) Reg {
	f.Regs = append(f.Regs, i)
	return Reg(len(f.Regs) - 1)
}

// NewSlot adds memory on the stack and returns its address.
func (f *Func) NewSlot(size int) Operand {
	f.Slots = append(f.Slots, Slot{Size: (size + 7) &^ 7})
	return Operand{Kind: Frame, Index: int32(len(f.Slots) - 1)}
}

// Uses calls f for each operand that the instruction takes.
func (in *Ins) Uses(f func(*Operand)) {
	f(&in.A)
	f(&in.B)
	for i := range in.Args {
		f(&in.Args[i])
	}
}

// Takes reports whether the instruction takes a register.
func (in *Ins) Takes(r Reg) (yes bool) {
	in.Uses(func(o *Operand) { yes = yes || o.Kind == Value && o.Reg == r })
	return yes
}

// Takes reports whether the end takes a register.
func (e *End) Takes(r Reg) (yes bool) {
	e.Uses(func(o *Operand) { yes = yes || o.Kind == Value && o.Reg == r })
	return yes
}

// Calls reports whether the instruction leaves nothing in the registers R0 to R5.
func (in *Ins) Calls() bool { return in.Op == Call || in.Op == Kfunc }

// Uses calls f for each operand that the end takes.
func (e *End) Uses(f func(*Operand)) {
	if e.Kind == Branch {
		f(&e.A)
		f(&e.B)
	}
}

// Effect reports whether the instruction does more than set its Dst.
func (in *Ins) Effect() bool {
	switch in.Op {
	case Store, Atomic, Copy, Text, Tally:
		return true
	case Call:
		return !in.Pure
	}
	return false
}

// Fixed reports whether two runs with equal operands give the same result as far
// as a handler is concerned: the kernel's memory is read once.
func (in *Ins) Fixed() bool {
	switch in.Op {
	case Load, Store, Atomic, Copy, Text, Mov, Tally, Tallied:
		return false
	case Call:
		return in.Pure
	}
	return true
}

// Clone copies the function, so that one handler can be emitted many times.
func (f *Func) Clone() *Func {
	c := &Func{Name: f.Name, Regs: append([]Info(nil), f.Regs...), Slots: append([]Slot(nil), f.Slots...)}
	to := make(map[*Block]*Block, len(f.Blocks))
	for _, b := range f.Blocks {
		n := &Block{ID: b.ID, End: b.End, Ins: append([]Ins(nil), b.Ins...)}
		for i := range n.Ins {
			n.Ins[i].Args = append([]Operand(nil), n.Ins[i].Args...)
		}
		to[b] = n
		c.Blocks = append(c.Blocks, n)
	}
	for _, b := range c.Blocks {
		for i, s := range b.Succ() {
			b.End.To[i] = to[s]
		}
	}
	return c
}

// Number drops blocks that can't be reached and numbers the others in reverse
// postorder, which puts a loop's body behind its head and the likely way first.
func (f *Func) Number() {
	seen := map[*Block]bool{}
	order := make([]*Block, 0, len(f.Blocks))
	type visit struct {
		b    *Block
		next int
	}
	stack := []visit{{b: f.Blocks[0]}}
	seen[f.Blocks[0]] = true
	for len(stack) > 0 {
		v := &stack[len(stack)-1]
		succ := v.b.Succ()
		if v.next == len(succ) {
			order = append(order, v.b)
			stack = stack[:len(stack)-1]
			continue
		}
		// The second successor is visited first, so that the first follows its block.
		s := succ[len(succ)-1-v.next]
		v.next++
		if !seen[s] {
			seen[s] = true
			stack = append(stack, visit{b: s})
		}
	}
	f.Blocks = f.Blocks[:0]
	for i := len(order) - 1; i >= 0; i-- {
		order[i].ID = len(f.Blocks)
		f.Blocks = append(f.Blocks, order[i])
	}
}

// Preds lists each block's predecessors, by ID.
func (f *Func) Preds() [][]*Block {
	preds := make([][]*Block, len(f.Blocks))
	for _, b := range f.Blocks {
		for _, s := range b.Succ() {
			preds[s.ID] = append(preds[s.ID], b)
		}
	}
	return preds
}
