package disasm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// families are the registers whose names x86asm has otherwise: the first of each
// run and the name, with a verb where a number belongs.
var families = []struct {
	first, last x86asm.Reg
	name        string
	number      int // of first
}{
	{x86asm.R8B, x86asm.R15B, "r%db", 8},
	{x86asm.R8W, x86asm.R15W, "r%dw", 8},
	{x86asm.R8L, x86asm.R15L, "r%dd", 8},
	{x86asm.F0, x86asm.F7, "st(%d)", 0},
	{x86asm.M0, x86asm.M7, "mm%d", 0},
	{x86asm.X0, x86asm.X31, "xmm%d", 0},
	{x86asm.Y0, x86asm.Y31, "ymm%d", 0},
	{x86asm.Z0, x86asm.Z31, "zmm%d", 0},
}

// registers has the name of each register of x86asm.
var registers = func() (names [256]string) {
	for i := range names {
		names[i] = strings.ToLower(x86asm.Reg(i).String())
	}
	for i, name := range []string{"spl", "bpl", "sil", "dil"} {
		names[int(x86asm.SPB)+i] = name
	}
	for _, f := range families {
		for r := f.first; r <= f.last; r++ {
			names[r] = fmt.Sprintf(f.name, int(r-f.first)+f.number)
		}
	}
	return names
}()

// register is the name of a register.
func register(r x86asm.Reg) string { return registers[r] }

// width is that of a general register in bytes, 0 for others.
func width(r x86asm.Reg) int {
	switch {
	case r >= x86asm.AL && r <= x86asm.R15B:
		return 1
	case r >= x86asm.AX && r <= x86asm.R15W:
		return 2
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return 4
	case r >= x86asm.RAX && r <= x86asm.R15:
		return 8
	}
	return 0
}
