package disasm

import (
	"fmt"
	"strings"
)

// A Syntax is a way to write instructions of x86. arm64 has one only.
type Syntax uint8

// The syntaxes, both as objdump writes them.
const (
	ATT   Syntax = iota // mov %rsp,%rbp
	Intel               // mov rbp,rsp
)

// A Context says how to write an instruction, and knows what its addresses are.
// The zero value is AT&T syntax without names.
type Context struct {
	Syntax Syntax
	Name   Namer
	// Note tells what stands at an address of data, ready to be shown: a string
	// constant in quotes.
	Note Namer
}

// A Text is an instruction in words.
type Text struct {
	Op   string // with its prefixes: "lock cmpxchg"
	Args string // "" if it has none
	Refs []Ref  // in Intel's order of operands
}

// A Ref is an address that an operand means: where it jumps, or what it reads,
// writes or takes the address of.
type Ref struct {
	Addr uint64
	Name string // "" if it has none
	Note string // what stands there
}

// String is one line, as objdump's without its columns:
//
//	call 0xffffffff8108c4b0 <__fentry__>
//	mov 0x183b586(%rip),%rax # 0xffffffff8283b5a0 <jiffies>
func (t Text) String() string {
	line := t.Op
	if t.Args != "" {
		line += " " + t.Args
	}
	for _, ref := range t.Refs {
		// An address that the operands show needs no second look.
		if addr := fmt.Sprintf("%#x", ref.Addr); !strings.Contains(t.Args, addr) {
			line += " # " + addr
		}
		line += ref.String()
	}
	return line
}

// String is the name in angle brackets and what stands there, each behind a space.
func (r Ref) String() string {
	text := ""
	if r.Name != "" {
		text = " <" + r.Name + ">"
	}
	if r.Note != "" {
		text += " " + r.Note
	}
	return text
}

// String is the instruction in AT&T syntax without names; its bytes where no text
// is known.
func (in Inst) String() string {
	t := in.Text(Context{})
	return strings.TrimSuffix(t.Op+" "+t.Args, " ")
}

// Text is the instruction in words; its bytes where no words are known.
func (in Inst) Text(c Context) Text {
	text, ok := in.words(c.Syntax)
	if !ok {
		return Text{Op: fmt.Sprintf("% x", in.Bytes), Args: fmt.Sprintf("(unknown, %d bytes)", len(in.Bytes))}
	}
	for i, ref := range text.Refs {
		text.Refs[i] = c.ref(ref.Addr)
	}
	return text
}

func (c Context) ref(addr uint64) Ref {
	return Ref{Addr: addr, Name: c.Name.at(addr), Note: c.Note.at(addr)}
}

func (in Inst) words(s Syntax) (Text, bool) {
	if in.Arch == ARM64 {
		return in.wordsARM64()
	}
	f, ok := in.form()
	if !ok {
		return Text{}, false
	}
	text := Text{Refs: f.references()}
	if s == Intel {
		text.Op, text.Args = f.intel()
	} else {
		text.Op, text.Args = f.att()
	}
	return text, true
}
