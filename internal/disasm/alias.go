package disasm

import (
	"slices"

	"golang.org/x/arch/x86/x86asm"
)

// rename gives an instruction the name by which both syntaxes call it.
func (f *form) rename() {
	if f.isString() {
		f.nameString()
	}
	f.name += f.hint()
	switch f.op {
	case x86asm.INT:
		if f.opcode()[0] == 0xcc {
			f.name, f.args = "int3", nil
		}
	case x86asm.PUSHFQ:
		f.name = "pushf"
	case x86asm.POPFQ:
		f.name = "popf"
	case x86asm.PREFETCHNTA, x86asm.PREFETCHT0, x86asm.PREFETCHT1, x86asm.PREFETCHT2, x86asm.PREFETCHW,
		x86asm.CLFLUSH, x86asm.INVLPG:
		f.memBytes = 1 // a line, but this is what objdump says
	case x86asm.INVPCID:
		f.memBytes = 0
	case x86asm.MOV:
		if b := f.opcode()[0]; b >= 0xb8 && b <= 0xbf && f.dataSize == 64 || b >= 0xa0 && b <= 0xa3 {
			f.name = "movabs"
		}
	case x86asm.NOP:
		if f.opcode()[0] == 0x90 && f.dataSize == 16 {
			f.name, f.args = "xchg", []x86asm.Arg{x86asm.AX, x86asm.AX}
			f.consume(0x66)
		}
	case x86asm.LSL, x86asm.LAR:
		if r, ok := f.args[1].(x86asm.Reg); ok && f.dataSize == 64 && width(r) == 4 {
			f.args[1] = r + x86asm.RAX - x86asm.EAX
		}
	case x86asm.PUSH:
		if f.dataSize == 32 {
			f.dataSize = 64 // it is as wide as the stack
		}
	case x86asm.SYSRET, x86asm.SYSEXIT, x86asm.LRET:
		f.consume(0x48)
	case x86asm.PCLMULQDQ, x86asm.VPCLMULQDQ:
		f.nameHalves()
	}
}

// nameString calls movsb movs: the operands show the width.
func (f *form) nameString() {
	f.name = f.name[:len(f.name)-1]
	f.memBytes = f.dataSize / 8
	if op := f.opcode()[0]; op&1 == 0 || op == 0xd7 {
		f.memBytes = 1
	}
}

// hint is what a segment prefix means to a conditional jump: whether it is likely.
func (f *form) hint() string {
	last := f.lastSegment()
	if last < 0 || f.in.flowAMD64().Kind != CondJump {
		return ""
	}
	return map[byte]string{0x2e: ",pn", 0x3e: ",pt"}[f.prefixes()[last]]
}

// halves are which parts of the two operands a carry-less multiplication takes.
var halves = map[x86asm.Imm]string{0x00: "lqlq", 0x01: "hqlq", 0x10: "lqhq", 0x11: "hqhq"}

func (f *form) nameHalves() {
	last := len(f.args) - 1
	imm, _ := f.args[last].(x86asm.Imm)
	half, ok := halves[imm]
	if !ok {
		return
	}
	f.name = f.name[:len(f.name)-len("qdq")] + half + "dq"
	f.args = f.args[:last]
}

// consume marks the last prefix of a kind as shown by the name.
func (f *form) consume(prefix x86asm.Prefix) {
	for i, p := range slices.Backward(f.flags[:]) {
		if p&0xff == prefix {
			f.flags[i] |= x86asm.PrefixImplicit
			return
		}
	}
}
