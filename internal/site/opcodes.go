package site

import (
	"fmt"

	"ktrap/internal/disasm"
)

// opcode is the rule that refuses an instruction of a kind.
func opcode(kind func(disasm.Inst) bool, does string) apply {
	return func(s *subject) (Answer, string) {
		in, ok := s.inst()
		if !ok {
			return Unknown, ""
		}
		return passUnless(kind(in), fmt.Sprintf("(%s) %s", in, does))
	}
}

// plain is the instruction from its opcode on; or a nop, if what stands before
// the opcode gives it another meaning.
func plain(in disasm.Inst) []byte {
	if in.IsVector() {
		return []byte{0x90}
	}
	return in.Opcode()
}

func isInt3(in disasm.Inst) bool { return plain(in)[0] == 0xcc }

func isTrap(in disasm.Inst) bool {
	switch op := plain(in); op[0] {
	case 0x0f: // ud0, ud1, ud2
		return op[1] == 0xff || op[1] == 0xb9 || op[1] == 0x0b
	case 0xcd, 0xf1: // int, int1
		return true
	}
	return false
}

// masksExceptions: mov to the stack segment.
func masksExceptions(in disasm.Inst) bool {
	op := plain(in)
	return op[0] == 0x8e && reg(op[1]) == 2
}

func isFar(in disasm.Inst) bool {
	op := plain(in) // iret; call and jmp
	return op[0] == 0xcf || op[0] == 0xff && (reg(op[1]) == 3 || reg(op[1]) == 5)
}

// isVM: vmcall and its neighbours, which are 0F 01 /0 with a register.
func isVM(in disasm.Inst) bool {
	op := plain(in)
	return op[0] == 0x0f && op[1] == 0x01 && reg(op[2]) == 0 && isRegister(op[2])
}

func isIndirectMemory(in disasm.Inst) bool {
	op := plain(in)
	return op[0] == 0xff && (reg(op[1]) == 2 || reg(op[1]) == 4) && !isRegister(op[1])
}

func isPrefixedCall(in disasm.Inst) bool {
	op := plain(in)
	return op[0] == 0xe8 && len(op) < len(in.Bytes)
}

func reg(modrm byte) byte        { return modrm >> 3 & 7 }
func isRegister(modrm byte) bool { return modrm>>6 == 3 }
