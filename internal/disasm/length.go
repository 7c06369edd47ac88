package disasm

import (
	"errors"
	"strings"
)

// MaxLength is the longest instruction the processor accepts, in bytes.
const MaxLength = 15

var (
	// ErrTruncated says that the code ends inside its first instruction.
	ErrTruncated = errors.New("code ends inside an instruction")
	// ErrUndefined says that no instruction begins with these bytes.
	ErrUndefined = errors.New("bytes are no instruction")
)

// Length returns the length in bytes of the instruction at the start of code,
// which may go on behind it. It fails with ErrTruncated or ErrUndefined.
func Length(code []byte) (int, error) {
	end := look(code).end
	switch {
	case end == 0:
		return 0, ErrUndefined
	case end > len(code):
		return 0, ErrTruncated
	}
	return end, nil
}

func look(code []byte) layout {
	if len(code) > MaxLength {
		return layoutOf((*window)(code))
	}
	w := padding
	copy(w[:], code)
	return layoutOf(&w)
}

// A window is what the decoder looks at: one byte more than it may use.
type window = [MaxLength + 1]byte

// padding stands behind code that is shorter than a window: a byte that is
// short as an opcode and as ModRM, and defined as a map number, so that code
// that only lacks its end does not look undefined.
var padding = window([]byte(strings.Repeat("\xc9", MaxLength+1)))

// The operand shapes of an opcode. An upper-case letter is its lower-case one
// behind a ModRM byte.
//
//	.   nothing          M   ModRM alone              -   undefined in 64-bit mode
//	b B imm8             z Z imm16 with 66, else 32   j   rel32, whatever the prefixes
//	w   imm16            e   imm16 and imm8           v   as z, but 64 with REX.W
//	o   offset of the address size
//	R   ModRM that names registers whatever its mod field says
//	T U group 3: as B and Z for test (/0, /1), as M for the rest
//	p   legacy prefix    r   REX                      0 8 a  escapes 0F, 0F 38, 0F 3A
//	3 2 x X  VEX of three and two bytes, EVEX, XOP (POP where its map is below 8)
const oneByte = "" +
	"MMMMbz--MMMMbz-0" + // 00
	"MMMMbz--MMMMbz--" + // 10
	"MMMMbzp-MMMMbzp-" + // 20
	"MMMMbzp-MMMMbzp-" + // 30
	"rrrrrrrrrrrrrrrr" + // 40
	"................" + // 50
	"--xMppppzZbB...." + // 60
	"bbbbbbbbbbbbbbbb" + // 70
	"BZ-BMMMMMMMMMMMX" + // 80
	"..........-....." + // 90: 9b is wait alone; the kernel counts 9b db e3 as two
	"oooo....bz......" + // a0
	"bbbbbbbbvvvvvvvv" + // b0
	"BBw.32BZe.w..b-." + // c0
	"MMMM--..MMMMMMMM" + // d0: d6 is UDB, seen in the ITS thunks
	"bbbbbbbbjj-b...." + // e0
	"p.pp..TU......MM" //   f0

const twoByte = "" +
	"MMMM-.....-.-M.B" + // 0f 00
	"MMMMMMMMMMMMMMMM" + // 0f 10
	"RRRR----MMMMMMMM" + // 0f 20
	"......-.8-a-----" + // 0f 30
	"MMMMMMMMMMMMMMMM" + // 0f 40
	"MMMMMMMMMMMMMMMM" + // 0f 50
	"MMMMMMMMMMMMMMMM" + // 0f 60
	"BBBBMMM.MMMMMMMM" + // 0f 70
	"jjjjjjjjjjjjjjjj" + // 0f 80
	"MMMMMMMMMMMMMMMM" + // 0f 90
	"...MBMMM...MBMMM" + // 0f a0: a6 and a7 are VIA's, with ModRM
	"MMMMMMMMMMBMMMMM" + // 0f b0
	"MMBMBBBM........" + // 0f c0
	"MMMMMMMMMMMMMMMM" + // 0f d0
	"MMMMMMMMMMMMMMMM" + // 0f e0
	"MMMMMMMMMMMMMMMM" //   0f f0

// A layout says where in a window an instruction has its opcode and its end,
// which is 0 for undefined bytes.
type layout struct {
	opcode, end int
	vector      bool // VEX, EVEX or XOP
}

// layoutOf reads the instruction at the start of the window. Indices wrap at
// the window's end: what they then read makes the instruction longer than
// MaxLength, which is refused.
func layoutOf(w *window) layout {
	at, size := prefixes(w)
	shape, opcode, next := oneByte[w[at]], at, at+1
	switch shape {
	case '0':
		shape, next = escaped(w, next)
	case '2', '3', 'x', 'X':
		shape, opcode = vector(w, at, shape)
		next = opcode + 1
	}
	end := operands(w, next, shape, size)
	if end > MaxLength {
		end = 0
	}
	return layout{opcode, end, opcode > at}
}

// widths are what the prefixes say of operand sizes.
type widths struct {
	word   bool // 66
	addr32 bool // 67
	rexW   bool
}

// prefixes returns the index behind the prefixes.
func prefixes(w *window) (int, widths) {
	var size widths
	i := emulation(w)
	for ; i < MaxLength; i++ {
		b := w[i]
		shape := oneByte[b]
		if shape != 'p' && shape != 'r' {
			break
		}
		// A REX counts only next to the opcode.
		size.rexW = shape == 'r' && b&8 != 0
		size.word = size.word || b == 0x66
		size.addr32 = size.addr32 || b == 0x67
	}
	return i, size
}

// emulation is the length of the mark (ud2, then "xen" or "kvm") that the
// kernel's decoder takes for a prefix of the instruction behind it.
func emulation(w *window) int {
	if w[0] == 0x0f && w[1] == 0x0b && (string(w[2:5]) == "xen" || string(w[2:5]) == "kvm") {
		return 5
	}
	return 0
}

// escaped returns the shape of the opcode behind 0F, and the index behind it.
func escaped(w *window, i int) (byte, int) {
	switch shape := twoByte[w[i&15]]; shape {
	case '8':
		return 'M', i + 2
	case 'a':
		return 'B', i + 2
	default:
		return shape, i + 1
	}
}

// vector returns the shape and the index of the opcode behind a VEX, EVEX or
// XOP prefix.
func vector(w *window, at int, prefix byte) (byte, int) {
	opcodes := w[(at+1)&15] & 31
	switch {
	case prefix == '2':
		opcodes, at = 1, at+2
	case prefix == 'x':
		opcodes, at = opcodes&7, at+4
	case prefix == 'X' && opcodes < 8:
		return 'M', at
	default:
		at += 3
	}
	switch opcodes {
	case 1:
		return twoByte[w[at&15]], at
	case 2, 5, 6, 9:
		return 'M', at
	case 3, 8:
		return 'B', at
	case 7, 10:
		return 'Z', at
	}
	return '-', at
}

// operands returns the index behind the operands that begin at i, or 0.
func operands(w *window, i int, shape byte, size widths) int {
	if shape >= 'A' && shape <= 'Z' {
		modrm := w[i&15]
		i += modrmLength(modrm, w[(i+1)&15], shape)
		shape = immediate(shape, modrm)
	}
	switch shape {
	case '.':
		return i
	case 'b':
		return i + 1
	case 'w':
		return i + 2
	case 'e':
		return i + 3
	case 'j':
		return i + 4
	case 'o':
		if size.addr32 {
			return i + 4
		}
		return i + 8
	case 'v':
		if size.rexW {
			return i + 8
		}
		fallthrough
	case 'z':
		if size.word && !size.rexW {
			return i + 2
		}
		return i + 4
	}
	return 0
}

// modrmLength counts the ModRM byte, the SIB byte and the displacement.
func modrmLength(modrm, sib, shape byte) int {
	mod, base, n := modrm>>6, modrm&7, 1
	if mod == 3 || shape == 'R' {
		return 1
	}
	if base == 4 {
		base, n = sib&7, 2
	}
	switch {
	case mod == 1:
		return n + 1
	case mod == 2, base == 5:
		return n + 4
	}
	return n
}

// immediate is the shape of what follows ModRM.
func immediate(shape, modrm byte) byte {
	test := modrm>>3&7 < 2
	switch {
	case shape == 'B', shape == 'T' && test:
		return 'b'
	case shape == 'Z', shape == 'U' && test:
		return 'z'
	}
	return '.'
}
