package disasm

import (
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// attNames are the operations that AT&T syntax calls otherwise than Intel's.
var attNames = map[x86asm.Op]string{
	x86asm.CBW: "cbtw", x86asm.CWDE: "cwtl", x86asm.CDQE: "cltq",
	x86asm.CWD: "cwtd", x86asm.CDQ: "cltd", x86asm.CQO: "cqto",
	x86asm.MOVSD_XMM: "movsd", x86asm.CMPSD_XMM: "cmpsd",
	x86asm.IRETD: "iret",
}

// attName is the operation, with the width where no operand shows it.
func (f *form) attName() string {
	name, ok := attNames[f.op]
	if !ok {
		name = f.name
	}
	switch f.op {
	case x86asm.MOVZX, x86asm.MOVSX:
		return name[:4] + suffix(f.size(1)) + suffix(f.size(0))
	case x86asm.MOVSXD:
		if f.dataSize == 64 {
			return "movslq"
		}
	case x86asm.CRC32, x86asm.CVTSI2SD, x86asm.CVTSI2SS, x86asm.VCVTSI2SD, x86asm.VCVTSI2SS:
		if f.hasMemory() {
			return name + suffix(f.memBytes)
		}
	case x86asm.SYSRET, x86asm.SYSEXIT:
		return name + suffix(f.dataSize/8)
	case x86asm.LRET:
		if f.dataSize == 64 {
			return name + "q"
		}
	case x86asm.FSUB, x86asm.FSUBR, x86asm.FSUBP, x86asm.FSUBRP, x86asm.FDIV, x86asm.FDIVR, x86asm.FDIVP, x86asm.FDIVRP:
		name = f.swapped(name)
	}
	switch {
	case !f.needsSuffix():
		return name
	case name[0] == 'f':
		return name + floatSuffix(name, f.memBytes)
	}
	return name + suffix(f.memBytes)
}

// floatSuffix is that of the x87, which counts otherwise.
func floatSuffix(name string, bytes int) string {
	if name[1] == 'i' {
		return map[int]string{2: "s", 4: "l", 8: "ll"}[bytes]
	}
	if bytes == 0 && (name == "fld" || name == "fstp") { // x86asm has no width for 10 bytes
		return "t"
	}
	return map[int]string{4: "s", 8: "l"}[bytes]
}

// swapped: AT&T's assembler took fsubr for fsub, where the result goes to another
// register than %st, and never mended it.
func (f *form) swapped(name string) string {
	if op := f.opcode(); op[0] != 0xdc && op[0] != 0xde || op[1]>>6 != 3 {
		return name
	}
	if base, ok := strings.CutSuffix(name, "rp"); ok {
		return base + "p"
	} else if base, ok := strings.CutSuffix(name, "r"); ok {
		return base
	} else if base, ok := strings.CutSuffix(name, "p"); ok {
		return base + "rp"
	}
	return name + "r"
}

// size is that of an operand in bytes.
func (f *form) size(i int) int {
	if r, ok := f.args[i].(x86asm.Reg); ok {
		return width(r)
	}
	return f.memBytes
}

func suffix(bytes int) string {
	switch bytes {
	case 1:
		return "b"
	case 2:
		return "w"
	case 4:
		return "l"
	case 8:
		return "q"
	}
	return ""
}

// needsSuffix reports whether no register shows the width of the operation.
func (f *form) needsSuffix() bool {
	if !f.hasMemory() || f.isSizeless() {
		return false
	}
	for i, arg := range f.args {
		if _, ok := arg.(x86asm.Reg); ok && !(i == 1 && f.isShift()) && !f.isPort() {
			return false
		}
	}
	return true
}

func (f *form) isShift() bool {
	switch f.op {
	case x86asm.ROL, x86asm.ROR, x86asm.RCL, x86asm.RCR, x86asm.SHL, x86asm.SHR, x86asm.SAR:
		return true
	}
	return false
}

// isSizeless reports whether the operation has one width, or hides it.
func (f *form) isSizeless() bool {
	if f.op == 0 {
		return f.name != "ptwrite"
	}
	switch f.op {
	case x86asm.CALL, x86asm.JMP, x86asm.PUSH, x86asm.POP, x86asm.CMPXCHG8B, x86asm.CMPXCHG16B,
		x86asm.FLDCW, x86asm.FNSTCW, x86asm.FNSTSW, x86asm.LDMXCSR, x86asm.STMXCSR, x86asm.VLDMXCSR, x86asm.VSTMXCSR,
		x86asm.LLDT, x86asm.SLDT, x86asm.LTR, x86asm.STR, x86asm.LMSW, x86asm.SMSW, x86asm.VERR, x86asm.VERW,
		x86asm.LGDT, x86asm.LIDT, x86asm.SGDT, x86asm.SIDT, x86asm.INVLPG, x86asm.CLFLUSH, x86asm.XLATB:
		return true
	}
	return strings.HasPrefix(f.name, "set") || strings.HasPrefix(f.name, "prefetch")
}
