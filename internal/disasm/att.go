package disasm

import (
	"slices"
	"strconv"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// att writes the instruction in AT&T syntax.
func (f *form) att() (op, args string) {
	name := f.attName()
	operands := make([]string, 0, len(f.args))
	for i, arg := range f.args {
		if text := f.attArg(i, arg); text != "" {
			operands = append(operands, text+f.decoration(i, arg, "%"))
		}
	}
	if !f.keepsOrder() {
		slices.Reverse(operands)
	}
	return f.prefixWords() + name, f.star() + strings.Join(operands, ",")
}

// star tells an address to jump to from one to read the target from.
func (f *form) star() string {
	switch f.op {
	case x86asm.CALL, x86asm.JMP, x86asm.LCALL, x86asm.LJMP:
		if _, direct := f.args[0].(x86asm.Rel); !direct {
			return "*"
		}
	}
	return ""
}

func (f *form) attArg(i int, arg x86asm.Arg) string {
	switch arg := arg.(type) {
	case x86asm.Reg:
		if arg == x86asm.DX && f.isPort() {
			return "(%dx)"
		}
		return "%" + f.attRegister(arg)
	case x86asm.Imm:
		if f.isShiftByOne() && i == 1 {
			return ""
		}
		return "$" + number(f.immediate(arg))
	case x86asm.Rel:
		return number(f.in.End() + uint64(arg))
	case x86asm.Mem:
		return f.attMem(f.memory(arg))
	}
	return ""
}

// attRegister is a name that may differ from Intel's.
func (f *form) attRegister(r x86asm.Reg) string {
	switch {
	case r == x86asm.F0:
		return "st"
	case r >= x86asm.DR0 && r <= x86asm.DR15:
		return "db" + register(r)[len("dr"):]
	}
	return register(r)
}

// keepsOrder reports whether AT&T syntax writes the operands in Intel's order.
func (f *form) keepsOrder() bool {
	return f.isImplied || f.op == x86asm.ENTER
}

// isPort reports whether %dx is a port, which looks like memory.
func (f *form) isPort() bool {
	op := f.opcode()[0]
	return op >= 0xec && op <= 0xef && !f.layout.vector || op >= 0x6c && op <= 0x6f && f.isString()
}

// isShiftByOne: the count of d0 and d1 is not written.
func (f *form) isShiftByOne() bool {
	return !f.layout.vector && f.opcode()[0]&^1 == 0xd0
}

func (f *form) attMem(m memory) string {
	var b strings.Builder
	if seg := f.segment(m); seg != 0 {
		b.WriteString("%" + register(seg) + ":")
	}
	index := f.index(m)
	if m.Base == 0 && index == "" {
		b.WriteString(number(uint64(m.Disp)))
		return b.String()
	}
	if m.hasDisp {
		b.WriteString(signed(m.Disp))
	}
	b.WriteString("(")
	if m.Base != 0 {
		b.WriteString("%" + register(m.Base))
	}
	if index != "" {
		b.WriteString(",%" + index + "," + string('0'+rune(m.Scale)))
	}
	b.WriteString(")")
	return b.String()
}

// index is the name of an index, "" for none.
func (f *form) index(m memory) string {
	switch {
	case m.Index != 0:
		return register(m.Index)
	case !m.noIndex:
		return ""
	case f.width.addr32:
		return "eiz"
	}
	return "riz"
}

// number is written in hexadecimal.
func number(n uint64) string { return "0x" + strconv.FormatUint(n, 16) }

func signed(n int64) string {
	if n < 0 {
		return "-" + number(uint64(-n))
	}
	return number(uint64(n))
}
