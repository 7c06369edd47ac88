package disasm

import (
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// intel writes the instruction in Intel's syntax.
func (f *form) intel() (op, args string) {
	if f.isImplied {
		return f.name, ""
	}
	operands := make([]string, 0, len(f.args))
	for i, arg := range f.args {
		if text := f.intelArg(i, arg); text != "" {
			operands = append(operands, text+f.decoration(i, arg, ""))
		}
	}
	return f.prefixWords() + f.intelName(), strings.Join(operands, ",")
}

func (f *form) intelName() string {
	wide := f.dataSize == 64
	switch {
	case f.op == x86asm.SYSRET || f.op == x86asm.SYSEXIT:
		return f.name + map[bool]string{false: "d", true: "q"}[wide]
	case f.op == x86asm.LRET:
		return "retf" + map[bool]string{true: "q"}[wide]
	case f.op == x86asm.LJMP || f.op == x86asm.LCALL:
		return f.name[1:] // the operand shows that it is far
	}
	return f.name
}

func (f *form) intelArg(i int, arg x86asm.Arg) string {
	switch arg := arg.(type) {
	case x86asm.Reg:
		if arg == x86asm.F0 {
			return "st"
		}
		return register(arg)
	case x86asm.Imm:
		if f.isShiftByOne() && i == 1 {
			return "1"
		}
		return number(f.immediate(arg))
	case x86asm.Rel:
		return number(f.in.End() + uint64(arg))
	case x86asm.Mem:
		return f.intelMem(f.memory(arg))
	}
	return ""
}

var pointers = map[int]string{
	1: "BYTE PTR ", 2: "WORD PTR ", 4: "DWORD PTR ", 6: "FWORD PTR ", 8: "QWORD PTR ",
	10: "TBYTE PTR ", 16: "XMMWORD PTR ", 32: "YMMWORD PTR ", 64: "ZMMWORD PTR ",
}

// wide says how much the operand in memory is of.
func (f *form) wide() string {
	switch {
	case f.op == x86asm.LEA || f.name == "movabs":
		return ""
	case f.op == x86asm.CMPXCHG16B:
		return "OWORD PTR "
	}
	return pointers[f.memBytes]
}

func (f *form) intelMem(m memory) string {
	var b strings.Builder
	b.WriteString(f.wide())
	seg := f.segment(m)
	index := f.index(m)
	if seg == 0 && m.Base == 0 && index == "" {
		seg = x86asm.DS
	}
	if seg != 0 {
		b.WriteString(register(seg) + ":")
	}
	if m.Base == 0 && index == "" {
		b.WriteString(number(uint64(m.Disp)))
		return b.String()
	}
	b.WriteString("[")
	if m.Base != 0 {
		b.WriteString(register(m.Base))
	}
	if index != "" {
		if m.Base != 0 {
			b.WriteString("+")
		}
		b.WriteString(index + "*" + string('0'+rune(m.Scale)))
	}
	switch {
	case !m.hasDisp:
	case m.Disp < 0 && m.Base != x86asm.RIP:
		b.WriteString(signed(m.Disp))
	default:
		b.WriteString("+" + number(uint64(m.Disp)))
	}
	b.WriteString("]")
	return b.String()
}
