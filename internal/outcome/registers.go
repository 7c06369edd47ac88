package outcome

import "strings"

// Registers are a thread's, by Reg.
type Registers [Flags + 1]uint64

// Reg is a register, numbered as instructions do.
type Reg uint8

// The registers.
const (
	AX Reg = iota
	CX
	DX
	BX
	SP
	BP
	SI
	DI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	IP
	Flags
	// None is no register.
	None
)

var names = [...]string{
	"ax", "cx", "dx", "bx", "sp", "bp", "si", "di",
	"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "ip", "flags",
}

// String is the name in the kernel's dumps.
func (r Reg) String() string {
	if int(r) < len(names) {
		return names[r]
	}
	return "none"
}

// RegNamed finds a register by the name in the kernel's dumps; None if no
// instruction of ours knows it.
func RegNamed(name string) Reg {
	for i, n := range names {
		if n == name {
			return Reg(i)
		}
	}
	return None
}

// Set is a set of registers.
type Set uint32

func of(regs ...Reg) (s Set) {
	for _, r := range regs {
		s |= 1 << r
	}
	return s
}

// Has reports whether r is in the set.
func (s Set) Has(r Reg) bool { return s>>r&1 != 0 }

// String lists the set's names.
func (s Set) String() string {
	var all []string
	for r := AX; r <= Flags; r++ {
		if s.Has(r) {
			all = append(all, r.String())
		}
	}
	return strings.Join(all, " ")
}

// Bits of the flags.
const (
	Carry     = 1 << 0
	Parity    = 1 << 2
	Auxiliary = 1 << 4
	Zero      = 1 << 6
	Sign      = 1 << 7
	Interrupt = 1 << 9
	Direction = 1 << 10
	Overflow  = 1 << 11

	// Status are the flags that computing leaves, and the direction of strings.
	Status = Carry | Parity | Auxiliary | Zero | Sign | Direction | Overflow
)

var flagNames = []struct {
	bit  uint64
	name string
}{
	{Carry, "CF"}, {Parity, "PF"}, {Auxiliary, "AF"}, {Zero, "ZF"}, {Sign, "SF"}, {1 << 8, "TF"}, {Interrupt, "IF"},
	{Direction, "DF"}, {Overflow, "OF"}, {1 << 14, "NT"}, {1 << 16, "RF"}, {1 << 18, "AC"}, {1 << 21, "ID"},
}

// FlagNames are the names of the bits that are set, lowest first.
func FlagNames(flags uint64) (all []string) {
	for _, f := range flagNames {
		if flags&f.bit != 0 {
			all = append(all, f.name)
		}
	}
	return all
}
