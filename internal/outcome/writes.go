package outcome

// effect is what an instruction may write.
type effect struct {
	writes Set
	size   int  // of the operand in memory; 0 for none, or one whose address is not simple
	stores bool // that operand is written
}

// shape is what instructions of one letter write.
type shape struct {
	rm, reg, low bool // the operands of ModRM; the register in the opcode
	also         Set
	bytes        bool // operands are bytes
	size         int  // of an operand in memory; 0 for none
}

// operand as a shape's size is that of the operation.
const operand = -1

var flags = of(Flags)

// unknown is what we do not look at closer: nothing of it changes the stack pointer.
var unknown = effect{writes: (1<<None - 1) &^ (of(SP) | of(IP))}

// shapes are by the letters of the maps below. An upper-case letter is its
// lower-case one on words.
var shapes = map[byte]shape{
	'.': {},
	'f': {also: flags},
	'e': {rm: true, also: flags, bytes: true, size: 1},
	'E': {rm: true, also: flags, size: operand},
	'g': {reg: true, also: flags, bytes: true, size: 1},
	'G': {reg: true, also: flags, size: operand},
	'a': {also: of(AX, Flags)},
	'c': {also: flags, size: 1},
	'C': {also: flags, size: operand},
	'm': {rm: true, bytes: true, size: 1},
	'M': {rm: true, size: operand},
	'r': {reg: true, bytes: true, size: 1},
	'R': {reg: true, size: operand},
	'x': {rm: true, reg: true, bytes: true, size: 1},
	'X': {rm: true, reg: true, size: operand},
	'y': {rm: true, reg: true, also: flags, bytes: true, size: 1},
	'Y': {rm: true, reg: true, also: flags, size: operand},
	'w': {rm: true, also: of(AX, Flags), bytes: true, size: 1},
	'W': {rm: true, also: of(AX, Flags), size: operand},
	'j': {reg: true, size: 1},
	'J': {reg: true, size: 2},
	'l': {reg: true, size: 4},
	'L': {reg: true},                    // lea
	'S': {rm: true},                     // from a segment or control register
	'T': {rm: true, also: flags},        // of a bit, which may be far from the address
	'o': {low: true},                    // mov, bswap
	'b': {also: of(AX)},                 //
	'd': {also: of(DX)},                 // cdq
	't': {also: of(AX, DX)},             // rdtsc, rdmsr
	'u': {also: of(AX, BX, CX, DX)},     // cpuid
	'h': {low: true, also: of(AX)},      // xchg with ax
	'k': {also: of(CX)},                 // loop
	'p': {also: of(SP)},                 // push, call, ret
	'P': {low: true, also: of(SP)},      // pop
	'Q': {rm: true, also: of(SP)},       // pop, maybe to memory
	'U': {also: of(SP), size: 8},        // push from memory
	'q': {also: of(SP, Flags)},          // popf
	'n': {also: of(SP, BP)},             // enter, leave
	'6': {also: of(AX, Flags), size: 1}, // mul and div of bytes
	'7': {also: of(AX, DX, Flags), size: operand},
	'9': {also: of(AX, DX, Flags)}, // cmpxchg16b
}

// The opcodes of one byte and of two. A digit, a sign or one of BHisvz stands for a
// group that ModRM or a prefix tells apart; ? is not looked at.
const oneByte = "" +
	"eEgGaa??eEgGaa??" + // 00
	"eEgGaa??eEgGaa??" + // 10
	"eEgGaa??eEgGaa??" + // 20
	"eEgGaa??cCcCff??" + // 30
	"????????????????" + // 40
	"ppppppppPPPPPPPP" + // 50
	"???l????pGpGssss" + // 60
	"................" + // 70
	"iI?IcCxXmMrRSL.Q" + // 80
	"hhhhhhhhbd?.pqfb" + // 90
	"bb..ssssffssssss" + // a0
	"BBBBBBBBoooooooo" + // b0
	"eEpp??mMnnpp.???" + // c0
	"eEeE???b????????" + // d0
	"kkkkbb..p.?.bb.." + // e0
	"?.??.f3#ffffff45" //   f0

const twoByte = "" +
	"??GG??.?..?.?.??" + // 0f 00
	"................" + // 0f 10
	"SS..????....??ff" + // 0f 20
	".ttt????8???????" + // 0f 30
	"RRRRRRRRRRRRRRRR" + // 0f 40
	"?..............." + // 0f 50
	"................" + // 0f 60
	".......???....?." + // 0f 70
	"................" + // 0f 80
	"mmmmmmmmmmmmmmmm" + // 0f 90
	"ppufEE??pp?TEEzG" + // 0f a0
	"wW?T??jJG?HTGGjJ" + // 0f b0
	"yY.M.?.voooooooo" + // 0f c0
	".......?........" + // 0f d0
	"................" + // 0f e0
	"................" //   0f f0

// effect is what the instruction may write, by its letter.
func (c *code) effect() effect {
	if c.vector || len(c.op) == 0 {
		return unknown
	}
	letter := oneByte[c.op[0]]
	if c.op[0] == 0x0f && len(c.op) > 1 {
		letter = twoByte[c.op[1]]
	}
	m, hasModRM := c.modrm()
	if group, ok := groups[letter]; ok {
		letter = group(c, m)
	}
	switch letter {
	case 's':
		return effect{writes: c.strings()}
	case 'B':
		return effect{writes: of(c.byteReg(c.opcodeReg(c.op[0])))}
	}
	s, ok := shapes[letter]
	if !ok || (s.rm || s.reg || s.size != 0) && !hasModRM {
		return unknown
	}
	return s.effect(c, m)
}

func (s shape) effect(c *code, m modrm) effect {
	e := effect{writes: s.also}
	part := func(r Reg) Reg {
		if s.bytes {
			return c.byteReg(r)
		}
		return r
	}
	if s.reg {
		e.writes |= of(part(m.reg))
	}
	if s.low {
		e.writes |= of(c.opcodeReg(c.op[len(c.opcodeBytes())-1]))
	}
	isMemory := m.mod != 3 && !s.low
	switch {
	case s.rm && !isMemory:
		e.writes |= of(part(m.rm))
	case isMemory && s.size != 0:
		e.size, e.stores = c.width(s.size), s.rm
	}
	return e
}

// opcodeBytes are the opcode alone: one byte, or two.
func (c *code) opcodeBytes() []byte {
	if c.op[0] == 0x0f {
		return c.op[:2]
	}
	return c.op[:1]
}

// width is the size of an operand in memory.
func (c *code) width(size int) int {
	switch {
	case size != operand:
		return size
	case c.wide():
		return 8
	case c.word:
		return 2
	}
	return 4
}

// groups tell instructions of one opcode apart: they return a letter of shapes.
var groups = map[byte]func(c *code, m modrm) byte{
	'i': func(_ *code, m modrm) byte { return byReg("eeeeeeec", m) },
	'I': func(_ *code, m modrm) byte { return byReg("EEEEEEEC", m) },
	'3': func(_ *code, m modrm) byte { return byReg("ccme6666", m) },
	'#': func(_ *code, m modrm) byte { return byReg("CCME7777", m) },
	'4': func(_ *code, m modrm) byte { return byReg("ee??????", m) },
	'5': func(_ *code, m modrm) byte { return byReg("EEpp..U?", m) },
	'H': func(_ *code, m modrm) byte { return byReg("????CEEE", m) },
	'v': func(_ *code, m modrm) byte {
		if m.mod != 3 {
			return byReg("?9??????", m)
		}
		return byReg("??????EE", m) // rdrand, rdseed
	},
	'z': func(c *code, m modrm) byte {
		if m.mod == 3 && c.rep == 0xf3 {
			return byReg("SS..????", m) // rdfsbase, rdgsbase
		}
		return byReg("....?...", m)
	},
	'8': func(c *code, m modrm) byte {
		switch {
		case len(c.op) < 4 || c.op[2]&^1 != 0xf0:
			return '?'
		case c.rep == 0xf2 && c.op[2] == 0xf0:
			return 'j' // crc32 of a byte
		case c.rep == 0xf2 || c.op[2] == 0xf0:
			return 'R' // crc32, movbe
		}
		return 'M' // movbe to memory
	},
}

func byReg(letters string, m modrm) byte { return letters[m.reg&7] }

// strings are the registers of a string instruction.
func (c *code) strings() Set {
	var s Set
	switch c.op[0] &^ 1 {
	case 0xa4:
		s = of(SI, DI)
	case 0xa6:
		s = of(SI, DI, Flags)
	case 0xac:
		s = of(AX, SI)
	case 0xae:
		s = of(DI, Flags)
	case 0x6e:
		s = of(SI)
	default:
		s = of(DI)
	}
	if c.rep != 0 {
		s |= of(CX)
	}
	return s
}

// Writes are the registers that the instruction may have changed, besides ip.
func (o *Outcome) Writes() Set {
	if o.compute == stay || len(o.code.op) == 0 {
		return 0
	}
	return o.code.effect().writes
}

// Agrees reports whether after can be what the instruction made of before: what it
// surely leaves alone is as it was, and the stack pointer is where it must be. It is
// asked of an Observed outcome, so that two records of different executions are
// never taken for a pair.
func (o *Outcome) Agrees(before, after Registers) bool {
	writes := o.Writes()
	for r := AX; r <= R15; r++ {
		if r != SP && !writes.Has(r) && before[r] != after[r] {
			return false
		}
	}
	if !writes.Has(Flags) && (before[Flags]^after[Flags])&Status != 0 {
		return false
	}
	return after[SP] == o.SP(before)
}
