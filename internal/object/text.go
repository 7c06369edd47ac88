package object

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
)

var aluText = map[asm.ALUOp]string{
	asm.Mov: "=", asm.Add: "+=", asm.Sub: "-=", asm.Mul: "*=", asm.Div: "/=", asm.Mod: "%=",
	asm.And: "&=", asm.Or: "|=", asm.Xor: "^=", asm.LSh: "<<=", asm.RSh: ">>=", asm.ArSh: "s>>=",
}

var jumpText = map[asm.JumpOp]string{
	asm.JEq: "==", asm.JNE: "!=", asm.JLT: "<", asm.JLE: "<=", asm.JGT: ">", asm.JGE: ">=",
	asm.JSLT: "s<", asm.JSLE: "s<=", asm.JSGT: "s>", asm.JSGE: "s>=", asm.JSet: "&",
}

var sizeText = map[asm.Size]string{asm.Byte: "u8", asm.Half: "u16", asm.Word: "u32", asm.DWord: "u64"}

// Text prints an instruction as the verifier does, with a map's name for its
// number. at is its own number, to say where a jump leads.
func Text(in asm.Instruction, at int) string {
	switch class := in.OpCode.Class(); {
	case class.IsLoad() || class.IsStore():
		return memoryText(in)
	case class.IsALU():
		return alu(in)
	default:
		return jump(in, at)
	}
}

// reg is how a register is called where all of it counts, or its lower half.
func reg(r asm.Register, half bool) string {
	if half {
		return fmt.Sprintf("w%d", r)
	}
	return fmt.Sprintf("r%d", r)
}

func source(in asm.Instruction, half bool) string {
	if in.OpCode.Source() == asm.RegSource {
		return reg(in.Src, half)
	}
	return fmt.Sprint(in.Constant)
}

func alu(in asm.Instruction) string {
	half := in.OpCode.Class() == asm.ALUClass
	dst := reg(in.Dst, half)
	if in.OpCode.ALUOp() == asm.Neg {
		return dst + " = -" + dst
	}
	return dst + " " + aluText[in.OpCode.ALUOp()] + " " + source(in, half)
}

func jump(in asm.Instruction, at int) string {
	half := in.OpCode.Class() == asm.Jump32Class
	switch op := in.OpCode.JumpOp(); op {
	case asm.Exit:
		return "exit"
	case asm.Call:
		if in.Src == asm.PseudoKfuncCall {
			return fmt.Sprintf("call kernel function %d", in.Constant)
		}
		return "call " + asm.BuiltinFunc(in.Constant).String()
	case asm.Ja:
		return "goto " + goal(in, at)
	default:
		return fmt.Sprintf("if %s %s %s goto %s", reg(in.Dst, half), jumpText[op], source(in, half), goal(in, at))
	}
}

func goal(in asm.Instruction, at int) string {
	if in.Reference() != "" {
		return in.Reference()
	}
	return fmt.Sprint(at + 1 + int(in.Offset))
}

func memoryText(in asm.Instruction) string {
	at := func(r asm.Register) string {
		return fmt.Sprintf("*(%s *)(%s %+d)", sizeText[in.OpCode.Size()], reg(r, false), in.Offset)
	}
	switch {
	case in.OpCode.IsDWordLoad() && in.Src == asm.PseudoMapValue:
		return fmt.Sprintf("%s = &%s[0]%+d", reg(in.Dst, false), in.Reference(), in.Constant>>32)
	case in.OpCode.IsDWordLoad() && in.Reference() != "":
		return fmt.Sprintf("%s = map %s", reg(in.Dst, false), in.Reference())
	case in.OpCode.IsDWordLoad():
		return fmt.Sprintf("%s = %d ll", reg(in.Dst, false), in.Constant)
	case in.OpCode.Class().IsLoad():
		return reg(in.Dst, false) + " = " + at(in.Src)
	case in.OpCode.Mode() == asm.AtomicMode:
		return "lock " + at(in.Dst) + " += " + reg(in.Src, false)
	case in.OpCode.Class() == asm.StXClass:
		return at(in.Dst) + " = " + reg(in.Src, false)
	}
	return at(in.Dst) + fmt.Sprintf(" = %d", in.Constant)
}
