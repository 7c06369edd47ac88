package disasm

import (
	"strconv"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// An Access is what an instruction does at a distance from a pointer in a
// register, as a field of a struct is read and written.
type Access struct {
	Offset        int64 // bytes from the pointer
	Reads, Writes bool
}

// Access returns the instruction's access to a field. ok is false if it has none:
// the stack, data with an address of its own and what string instructions go
// through are none.
func (in Inst) Access() (a Access, ok bool) {
	if in.Arch == ARM64 {
		return in.accessARM64()
	}
	f, ok := in.form()
	if !ok || f.isString() {
		return a, false
	}
	for i, arg := range f.args {
		m, isMemory := arg.(x86asm.Mem)
		if !isMemory {
			continue
		}
		mem := f.memory(m)
		switch mem.Base {
		case 0, x86asm.RSP, x86asm.ESP, x86asm.RIP, x86asm.EIP:
			return a, false
		}
		if a.Reads, a.Writes = f.access(i); a == (Access{}) {
			return a, false
		}
		a.Offset = mem.Disp
		return a, true
	}
	return a, false
}

// access tells what becomes of the operand in memory, the i-th in Intel's order.
func (f *form) access(i int) (reads, writes bool) {
	name := strings.TrimPrefix(f.name, "v")
	switch {
	case begins(name, "nop", "lea", "prefetch", "clflush", "clwb", "cldemote", "invlpg"):
		return false, false
	case i > 0:
		return true, false
	case begins(name, "mov", "set", "pop", "st", "fst", "fnst", "fist", "fxsave", "xsave", "sgdt", "sidt", "sldt", "smsw"):
		return false, true
	case begins(name, "cmpxchg"):
		return true, true
	case begins(name, "cmp", "test", "push", "call", "jmp", "lcall", "ljmp", "mul", "imul", "div", "idiv",
		"ld", "fld", "fild", "fxrstor", "xrstor", "lgdt", "lidt", "lldt", "ltr", "lmsw"), name == "bt":
		return true, false
	}
	return true, true
}

func begins(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// accessARM64 reads the operand from the text: [x19, #24].
func (in Inst) accessARM64() (a Access, ok bool) {
	text, ok := in.wordsARM64()
	_, inside, isMemory := strings.Cut(text.Args, "[")
	inside, _, closed := strings.Cut(inside, "]")
	if !ok || !isMemory || !closed || strings.HasPrefix(inside, "sp") {
		return a, false
	}
	if _, offset, isOffset := strings.Cut(inside, ", #"); isOffset {
		var err error
		if a.Offset, err = strconv.ParseInt(offset, 0, 64); err != nil {
			return a, false
		}
	}
	a.Reads = begins(text.Op, "ld", "cas", "swp")
	a.Writes = begins(text.Op, "st", "cas", "swp", "ldadd", "ldclr", "ldset", "ldeor")
	return a, a.Reads || a.Writes
}
