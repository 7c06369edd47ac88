package ktrap

import (
	"strconv"
	"strings"

	"ktrap/internal/way"
)

// tested is what the branch at a block's end goes by.
type tested struct {
	text     string // the instruction that compares, and the branch
	reg      string // the register it compares, by its name in struct pt_regs; "" for none
	width    int    // bytes of it
	callee   string // what is tested was returned by this function
	returned bool   // or by one that is called by its address
}

// branch tells what decides which way a block is left; ok is false for one that has
// one way out.
func (d *Disassembly) branch(b Block) (t tested, ok bool) {
	if len(b.Succ) != 2 || b.Succ[0].Kind != "taken" {
		return t, false
	}
	jump := d.Lines[b.End-1]
	t.text = jump.Text
	if jump.Target != "" {
		t.text = splitInstruction(jump.Text).name + " " + jump.Target
	}
	if len(jump.Patches) > 0 {
		return t, true // which way is patched into the code
	}
	for i := b.End - 2; i >= b.Start; i-- {
		in := splitInstruction(d.Lines[i].Text)
		switch {
		case in.isCall():
			return t, true
		case in.keepsFlags():
			if in.writes() == t.reg {
				t.reg = ""
			}
			continue
		}
		t.text = d.Lines[i].Text + "; " + t.text
		if reg, width := generalRegister(in.last()); reg != "" && !d.writes(reg, i+1, b.End-1) {
			t.reg, t.width = reg, width
			t.callee, t.returned = d.returnedInto(reg, b.Start, i)
		}
		return t, true
	}
	return t, true
}

// writes reports whether an instruction of lines from up to to writes a register.
func (d *Disassembly) writes(reg string, from, to int) bool {
	for _, l := range d.Lines[from:to] {
		if in := splitInstruction(l.Text); in.isCall() || in.writes() == reg {
			return true
		}
	}
	return false
}

// returnedInto finds the call whose result a register holds before line at.
func (d *Disassembly) returnedInto(reg string, from, at int) (callee string, ok bool) {
	if in := splitInstruction(d.Lines[at].Text); !in.compares() {
		return "", false
	}
	for i := at - 1; i >= from; i-- {
		in := splitInstruction(d.Lines[i].Text)
		switch {
		case in.isCall() && reg == "ax":
			return d.Lines[i].Target, true
		case in.isCall() && !kept[reg]:
			return "", false
		case in.isCall() || in.writes() != reg:
			continue
		case in.name == "cltq":
			continue
		case !strings.HasPrefix(in.name, "mov"):
			return "", false
		}
		if reg, _ = generalRegister(in.operands[0]); reg == "" {
			return "", false
		}
	}
	return "", false
}

// kept are the registers that a call leaves as they were.
var kept = map[string]bool{"bx": true, "bp": true, "r12": true, "r13": true, "r14": true, "r15": true}

// instruction is one of x86's, in AT&T syntax.
type instruction struct {
	name     string
	operands []string
}

func splitInstruction(text string) instruction {
	text, _, _ = strings.Cut(text, " #")
	text, _, _ = strings.Cut(text, " <")
	name, rest, _ := strings.Cut(text, " ")
	for name == "lock" || name == "cs" || name == "rep" || name == "notrack" {
		name, rest, _ = strings.Cut(rest, " ")
	}
	in := instruction{name: name}
	if rest != "" {
		in.operands = splitList(rest)
	}
	return in
}

func (in instruction) isCall() bool { return strings.HasPrefix(in.name, "call") }

func (in instruction) isJump() bool { return strings.HasPrefix(in.name, "j") }

func (in instruction) compares() bool {
	return strings.HasPrefix(in.name, "cmp") || strings.HasPrefix(in.name, "test")
}

// keepsFlags: those that compilers put between a comparison and its branch.
func (in instruction) keepsFlags() bool {
	for _, prefix := range []string{"mov", "lea", "push", "pop", "nop", "cmov", "set", "clt", "cqt", "xchg", "not", "endbr", "prefetch"} {
		if strings.HasPrefix(in.name, prefix) {
			return true
		}
	}
	return false
}

func (in instruction) last() string {
	if len(in.operands) == 0 {
		return ""
	}
	return in.operands[len(in.operands)-1]
}

// writes is the register that it writes, "" for none that is named.
func (in instruction) writes() string {
	if in.name == "cltq" {
		return "ax"
	}
	if in.compares() || strings.HasPrefix(in.name, "push") || strings.HasPrefix(in.name, "nop") {
		return ""
	}
	reg, _ := generalRegister(in.last())
	return reg
}

// makes is the error number that an instruction puts into a register or memory; 0 for
// none.
func (in instruction) makes() int64 {
	if !strings.HasPrefix(in.name, "mov") || len(in.operands) != 2 || !strings.HasPrefix(in.operands[0], "$") {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(in.operands[0], "$0x"), 16, 64)
	if err != nil {
		return 0
	}
	return way.ErrorNumber(n)
}

// generalRegister is a general register by its name in struct pt_regs, and how many bytes of
// it an operand is; "" for what is no register, or one of which it is not the lowest.
func generalRegister(operand string) (name string, bytes int) {
	name, ok := strings.CutPrefix(operand, "%")
	if !ok || name == "" {
		return "", 0
	}
	if digits := strings.TrimRight(name[1:], "bwdl"); name[0] == 'r' && digits != "" && digits[0] <= '9' {
		return name[:1+len(digits)], map[string]int{"": 8, "d": 4, "w": 2, "b": 1, "l": 1}[name[1+len(digits):]]
	}
	switch {
	case len(name) == 3 && name[0] == 'r':
		name, bytes = name[1:], 8
	case len(name) == 3 && name[0] == 'e':
		name, bytes = name[1:], 4
	case name == "sil" || name == "dil" || name == "bpl" || name == "spl":
		name, bytes = name[:2], 1
	case len(name) == 2 && name[1] == 'l':
		name, bytes = name[:1]+"x", 1
	case len(name) == 2:
		bytes = 2
	}
	if !general[name] {
		return "", 0
	}
	return name, bytes
}

var general = map[string]bool{"ax": true, "bx": true, "cx": true, "dx": true, "si": true, "di": true, "bp": true, "sp": true}
