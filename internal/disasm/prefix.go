package disasm

import "golang.org/x/arch/x86/x86asm"

// prefixWords are the prefixes that the rest of the text does not show.
func (f *form) prefixWords() string {
	words := ""
	for i, b := range f.prefixes() {
		words += f.prefixWord(i, b, f.hasMemory())
	}
	return words
}

func (f *form) prefixWord(i int, b byte, hasMem bool) string {
	implicit := f.op == 0 || i < len(f.flags) && f.flags[i]&x86asm.PrefixImplicit != 0
	switch {
	case b == 0xf0:
		return "lock "
	case b&0xf0 == 0x40 && !implicit:
		return rexWord(b)
	case b == 0x66 && !implicit:
		return "data16 "
	case b == 0x67 && !hasMem:
		return "addr32 "
	case b == 0xf2 && !implicit, b == 0xf3 && !implicit:
		return f.repeatWord(b)
	case b == 0x2e || b == 0x36 || b == 0x3e || b == 0x26 || b == 0x64 || b == 0x65:
		return f.segmentWord(i, b, hasMem)
	}
	return ""
}

func rexWord(b byte) string {
	word := "rex"
	for i, letter := range "WRXB" {
		if i == 0 && b&0xf != 0 {
			word += "."
		}
		if b&(8>>i) != 0 {
			word += string(letter)
		}
	}
	return word + " "
}

// repeatWord is what f2 and f3 mean, if they are no part of the opcode.
func (f *form) repeatWord(b byte) string {
	switch op := f.opcode()[0]; {
	case b == 0xf2 && f.isBranch():
		return "bnd "
	case b == 0xf2:
		return "repnz "
	case op == 0xa6, op == 0xa7, op == 0xae, op == 0xaf, !f.isString(): // cmps, scas
		return "repz "
	}
	return "rep "
}

// isBranch reports whether f2 is "bnd": at jumps, calls and returns within a
// level of privilege.
func (f *form) isBranch() bool {
	op := f.opcode()[0]
	switch f.in.flowAMD64().Kind {
	case Next, Stop:
		return false
	case Return:
		return op == 0xc3 || op == 0xc2
	}
	return true
}

var segments = map[byte]x86asm.Reg{
	0x26: x86asm.ES, 0x2e: x86asm.CS, 0x36: x86asm.SS, 0x3e: x86asm.DS, 0x64: x86asm.FS, 0x65: x86asm.GS,
}

// segmentWord is a prefix for a segment, or what it became: a hint to branches.
func (f *form) segmentWord(i int, b byte, hasMem bool) string {
	switch kind := f.in.flowAMD64().Kind; {
	case (kind == IndirectCall || kind == IndirectJump) && b == 0x3e:
		return "notrack "
	case kind == CondJump && (b == 0x2e || b == 0x3e):
		return ""
	case hasMem && i == f.lastSegment() && (b == 0x64 || b == 0x65) && !f.onlyStores():
		return "" // the operand shows it
	}
	return register(segments[b]) + " "
}

// onlyStores: the operand of stos, scas and ins is in %es whatever the prefix.
func (f *form) onlyStores() bool {
	switch f.opcode()[0] {
	case 0x6c, 0x6d, 0xaa, 0xab, 0xae, 0xaf:
		return f.isString()
	}
	return false
}

// lastSegment is the index of the last segment prefix: the one that counts.
func (f *form) lastSegment() int {
	last := -1
	for i, b := range f.prefixes() {
		if _, ok := segments[b]; ok {
			last = i
		}
	}
	return last
}

// segment is the one that an operand in memory shows: in 64-bit mode only %fs
// and %gs mean anything, but string operations show theirs.
func (f *form) segment(m memory) x86asm.Reg {
	if m.Base == x86asm.RDI && f.isString() || m.Base == x86asm.EDI && f.isString() {
		return x86asm.ES
	}
	if last := f.lastSegment(); last >= 0 {
		if b := f.prefixes()[last]; b == 0x64 || b == 0x65 {
			return segments[b]
		}
	}
	if f.isString() {
		return x86asm.DS
	}
	return 0
}
