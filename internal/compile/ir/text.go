package ir

import (
	"fmt"
	"strings"
)

var opNames = [...]string{
	"mov", "add", "sub", "mul", "and", "or", "xor", "shl", "shr", "sar", "div", "mod", "neg",
	"load", "store", "atomic", "vars", "arg", "ret", "saved", "ctx", "point", "tally", "tallied", "read", "copy", "text", "plain", "call", "kfunc",
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
		fmt.Fprintf(&b, " %d", in.Fn)
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

// String prints the function, one instruction a line.
func (f *Func) String() string {
	var b strings.Builder
	for _, block := range f.Blocks {
		fmt.Fprintf(&b, "b%d:\n", block.ID)
		for i := range block.Ins {
			fmt.Fprintf(&b, "\t%s\n", &block.Ins[i])
		}
		fmt.Fprintf(&b, "\t%s\n", &block.End)
	}
	return b.String()
}
