package disasm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

func (f *form) isEVEX() bool {
	return f.layout.vector && f.in.Bytes[f.legacy] == 0x62
}

// decorate reads what EVEX has beyond VEX:
//
//	62 …  …  z LL b V' aaa   z: zeroing, aaa: mask, b: repeat memory, or round
//
// It reports whether all of it can be written: rounding can't, nor a repeated
// operand that is widened; and x86asm takes bits that the operation has no use
// for, which make it undefined.
func (f *form) decorate(x *x86asm.Inst) bool {
	bits := f.in.Bytes[f.legacy+3]
	f.takeMask()
	f.zeroes = bits&0x80 != 0
	isMasked, repeats := bits&7 != 0, bits&0x10 != 0
	if isMasked != (f.mask > x86asm.K0) || f.zeroes && !isMasked || repeats != x.Broadcast {
		return false
	}
	if x.Broadcast {
		if strings.HasPrefix(f.name, "vcvt") || x.MemBytes == 0 {
			return false
		}
		f.broadcast = fmt.Sprintf("{1to%d}", 16<<(bits>>5&3)/x.MemBytes)
	}
	return true
}

// takeMask removes the mask from the operands, where x86asm has it second.
func (f *form) takeMask() {
	if len(f.args) < 2 || strings.HasPrefix(f.name, "vpmovm2") || strings.HasPrefix(f.name, "vpbroadcastm") {
		return
	}
	if k, ok := f.args[1].(x86asm.Reg); ok && k >= x86asm.K0 && k <= x86asm.K7 {
		f.mask = k
		f.args = append(f.args[:1:1], f.args[2:]...)
	}
}

// decoration is what stands behind an operand; sigil is what begins the name of a
// register.
func (f *form) decoration(i int, arg x86asm.Arg, sigil string) string {
	text := ""
	if _, ok := arg.(x86asm.Mem); ok {
		text = f.broadcast
	}
	if i != 0 {
		return text
	}
	if f.mask > x86asm.K0 {
		text += "{" + sigil + register(f.mask) + "}"
	}
	if f.zeroes {
		text += "{z}"
	}
	return text
}
