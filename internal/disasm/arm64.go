package disasm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/arm64/arm64asm"
)

// wordsARM64 writes an instruction of arm64 as objdump does, or as a word of data.
func (in Inst) wordsARM64() (Text, bool) {
	if len(in.Bytes) != wordSize {
		return Text{}, false
	}
	word := in.word()
	if op, args, ok := ownARM64(word); ok {
		return Text{Op: op, Args: args}, true
	}
	inst, err := arm64asm.Decode(in.Bytes)
	if err != nil {
		return Text{Op: ".inst", Args: fmt.Sprintf("%#08x", word)}, true
	}
	return in.textARM64(&inst), true
}

func (in Inst) textARM64(inst *arm64asm.Inst) Text {
	text := Text{Op: strings.ToLower(inst.Op.String())}
	var args []string
	for _, arg := range inst.Args {
		switch arg := arg.(type) {
		case nil:
		case arm64asm.Cond:
			if inst.Op == arm64asm.B {
				text.Op += "." + condition(arg)
				continue
			}
			args = append(args, condition(arg))
		case arm64asm.PCRel:
			target := in.target(inst.Op, int64(arg))
			if inst.Op != arm64asm.ADRP { // a page is nothing yet: see Texts
				text.Refs = append(text.Refs, Ref{Addr: target})
			}
			args = append(args, fmt.Sprintf("%#x", target))
		default:
			args = append(args, operand(arg))
		}
	}
	if inst.Op == arm64asm.RET && inst.Args[0] == arm64asm.X30 {
		args = nil
	}
	if inst.Op == arm64asm.ISB && len(args) == 1 && args[0] == "sy" {
		args = nil
	}
	text.Args = strings.Join(args, ", ")
	return text
}

// target is the address at a distance; adrp counts from the page.
func (in Inst) target(op arm64asm.Op, distance int64) uint64 {
	from := in.Addr
	if op == arm64asm.ADRP {
		from &^= 1<<12 - 1
	}
	return from + uint64(distance)
}

func condition(c arm64asm.Cond) string {
	return strings.ToLower(c.String())
}

// operand has a space behind each comma, as objdump's.
func operand(arg arm64asm.Arg) string {
	text := strings.ToLower(arg.String())
	return strings.ReplaceAll(strings.ReplaceAll(text, ", ", ","), ",", ", ")
}
