// Package arch describes a processor as data: its registers where the kernel's
// struct pt_regs keeps them, and how its C calling convention passes arguments
// and returns. A room that needs such a fact is given an *Arch; none asks which
// machine it runs on.
package arch

// Reg is a register saved in struct pt_regs.
type Reg struct {
	Name   string // as the kernel's own dumps spell it, without a prefix
	Offset int    // bytes from the start of struct pt_regs
}

// Arch is one processor architecture.
type Arch struct {
	Name     string // GOARCH
	Regs     []Reg  // in the order a register dump shows them
	Args     []int  // indexes into Regs: integer arguments in order
	Rets     []int  // indexes into Regs: a returned value of up to 16 bytes
	IP       int    // index into Regs: the instruction pointer
	SP       int    // index into Regs: the stack pointer
	RegsSize int    // size of struct pt_regs, bytes
	// Trap is how far the instruction pointer is behind a kprobe's place when its
	// handler runs, bytes: behind the breakpoint, also where there is none.
	Trap int
	// StackArg is the distance from the stack pointer at a function's first
	// instruction to its first argument passed on the stack, bytes.
	StackArg int
}

// AMD64 is x86-64 with the System V calling convention, pt_regs as in
// arch/x86/include/uapi/asm/ptrace.h.
var AMD64 = &Arch{
	Name: "amd64",
	Regs: []Reg{
		{"ip", 128}, {"sp", 152}, {"flags", 144}, {"ax", 80}, {"bx", 40}, {"cx", 88},
		{"dx", 96}, {"si", 104}, {"di", 112}, {"bp", 32}, {"r8", 72}, {"r9", 64},
		{"r10", 56}, {"r11", 48}, {"r12", 24}, {"r13", 16}, {"r14", 8}, {"r15", 0},
		{"orig_ax", 120}, {"cs", 136}, {"ss", 160},
	},
	Args:     []int{8, 7, 6, 5, 10, 11},
	Rets:     []int{3, 6},
	IP:       0,
	SP:       1,
	RegsSize: 168,
	Trap:     1,
	StackArg: 8,
}

// ByName returns the architecture that Go calls name, or nil.
func ByName(name string) *Arch {
	if name == AMD64.Name {
		return AMD64
	}
	return nil
}

// Loc is where an argument is at a function's first instruction: in as many
// consecutive argument registers as it has words, or on the stack.
type Loc struct {
	Words int // of 8 bytes
	Reg   int // index into Arch.Args of the first register, or OnStack
	Stack int // bytes above the first stack argument, when Reg is OnStack
}

// OnStack as a Loc's Reg says that the argument is on the stack.
const OnStack = -1

// Place says where arguments of the given sizes in bytes are passed. A value of
// up to 16 bytes takes one or two registers if as many are left, and goes to
// the stack whole if not; a larger one is always on the stack (System V AMD64
// psABI 3.2.3, integer class: kernel functions pass no floating point).
func (a *Arch) Place(sizes []int) []Loc {
	locs := make([]Loc, len(sizes))
	reg, stack := 0, 0
	for i, size := range sizes {
		words := max(1, (size+7)/8)
		if words <= 2 && reg+words <= len(a.Args) {
			locs[i] = Loc{Words: words, Reg: reg}
			reg += words
			continue
		}
		locs[i] = Loc{Words: words, Reg: OnStack, Stack: stack}
		stack += 8 * words
	}
	return locs
}
