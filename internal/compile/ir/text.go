package ir

import (
	"fmt"
	"go/token"
	"strings"

	"github.com/cilium/ebpf/asm"
)

var opNames = [...]string{
	"mov", "add", "sub", "mul", "and", "or", "xor", "shl", "shr", "sar", "div", "mod", "neg",
	"load", "store", "atomic", "vars", "arg", "ret", "saved", "ctx", "point", "tally", "tallied", "caller", "read", "copy", "text", "plain", "call", "kfunc",
}

var condNames = [...]string{"==", "!=", "<", "<=", ">", ">=", "s<", "s<=", "s>", "s>=", "&"}

func (o Op) String() string   { return opNames[o] }
func (c Cond) String() string { return condNames[c] }

func (o Operand) String() string {
	switch o.Kind {
	case Const:
		return fmt.Sprint(o.Imm)
	case Value:
		return fmt.Sprintf("v%d", o.Reg)
	case Frame:
		return fmt.Sprintf("&s%d+%d", o.Index, o.Imm)
	case Map:
		return fmt.Sprintf("map%d", o.Index)
	}
	return "_"
}

func (in *Ins) String() string {
	var b strings.Builder
	if in.Dst != 0 {
		fmt.Fprintf(&b, "v%d = ", in.Dst)
	}
	b.WriteString(in.Op.String())
	if in.Op <= Neg && !in.Wide {
		b.WriteString("32")
	}
	if in.Size != 0 {
		fmt.Fprintf(&b, ".%d", in.Size)
	}
	if in.User {
		b.WriteString(".user")
	}
	if in.Op == Call || in.Op == Kfunc {
		fmt.Fprintf(&b, " %s", callee(in))
	}
	in.Uses(func(o *Operand) {
		if o.Kind != None {
			b.WriteString(" " + o.String())
		}
	})
	if in.Off != 0 {
		fmt.Fprintf(&b, " +%d", in.Off)
	}
	if in.From != 0 {
		fmt.Fprintf(&b, " from +%d", in.From)
	}
	return b.String()
}

func callee(in *Ins) string {
	if in.Op == Kfunc {
		return fmt.Sprint(in.Fn)
	}
	return asm.BuiltinFunc(in.Fn).String()
}

func (e *End) String() string {
	switch e.Kind {
	case Jump:
		return fmt.Sprintf("jump b%d", e.To[0].ID)
	case Branch:
		width := ""
		if !e.Wide {
			width = "32"
		}
		return fmt.Sprintf("if%s %s %s %s b%d else b%d", width, &e.A, e.Cond, &e.B, e.To[0].ID, e.To[1].ID)
	}
	return "exit"
}

// Line is a line of a function's text, and what of the source caused it.
type Line struct {
	Text string
	Pos  token.Pos
}

// Lines prints the function, one instruction a line.
func (f *Func) Lines() (lines []Line) {
	for _, block := range f.Blocks {
		lines = append(lines, Line{Text: fmt.Sprintf("b%d:", block.ID)})
		for i := range block.Ins {
			lines = append(lines, Line{"\t" + block.Ins[i].String(), block.Ins[i].Pos})
		}
		lines = append(lines, Line{"\t" + block.End.String(), block.End.Pos})
	}
	return lines
}

// String is Lines as one text.
func (f *Func) String() string {
	var b strings.Builder
	for _, l := range f.Lines() {
		b.WriteString(l.Text + "\n")
	}
	return b.String()
}
