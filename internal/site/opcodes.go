package site

import (
	"fmt"

	"ktrap/internal/disasm"
)

// opcode is the rule that an instruction of amd64 passes, if it is of a kind.
func opcode(passes func(disasm.Inst) bool) func(*subject) Answer {
	return func(s *subject) Answer {
		in, ok := s.inst()
		if !ok || s.Kernel.Arch != disasm.AMD64 {
			return Unknown
		}
		return AnswerOf(passes(in))
	}
}

func isNot(kind func(disasm.Inst) bool) func(disasm.Inst) bool {
	return func(in disasm.Inst) bool { return !kind(in) }
}

// instruction words a refusal by what the instruction does.
func instruction(does string) func(*subject) string {
	return func(s *subject) string {
		in, _ := s.inst()
		return fmt.Sprintf("(%s) %s", in, does)
	}
}

// A view is what the kernel's kprobe code sees of an instruction: of one with a
// VEX or EVEX prefix the opcode alone, as if it had none (in 5.10 to 7.3).
type view struct {
	op, second byte
	bytes      int // of opcode, 1 to 3
	modrm      byte
}

func look(in disasm.Inst) view {
	op := in.Opcode()
	at := func(i int) byte {
		if i < len(op) {
			return op[i]
		}
		return 0
	}
	switch {
	case in.IsVector() || op[0] != 0x0f:
		return view{op[0], 0, 1, at(1)}
	case at(1) == 0x38 || at(1) == 0x3a:
		return view{op[0], at(1), 3, at(3)}
	}
	return view{op[0], at(1), 2, at(2)}
}

func (v view) reg() byte        { return v.modrm >> 3 & 7 }
func (v view) isRegister() bool { return v.modrm>>6 == 3 }

func isInt3(in disasm.Inst) bool { return look(in).op == 0xcc }

func isTrap(in disasm.Inst) bool {
	v := look(in)
	switch v.op {
	case 0x0f: // ud0, ud1, ud2
		return v.second == 0xff || v.second == 0xb9 || v.second == 0x0b
	case 0xcd, 0xce, 0xf1: // int, into, int1
		return true
	}
	return false
}

// masksExceptions: pop and mov to the stack segment.
func masksExceptions(in disasm.Inst) bool {
	v := look(in)
	return v.op == 0x1f || v.op == 0x8e && v.reg() == 2
}

func isFar(in disasm.Inst) bool {
	switch v := look(in); v.op {
	case 0x9a, 0xea, 0xcf: // call, jmp, iret
		return true
	case 0xff:
		return v.reg() == 3 || v.reg() == 5
	}
	return false
}

// isVM: vmcall and its neighbours, which are 0F 01 /0 with a register.
func isVM(in disasm.Inst) bool {
	v := look(in)
	return v.op == 0x0f && v.second == 0x01 && v.reg() == 0 && v.isRegister()
}

// isIndirectMemory: also a branch by half a register, with prefix 67.
func isIndirectMemory(in disasm.Inst) bool {
	v := look(in)
	return isIndirect(v) && (!v.isRegister() || hasPrefix(in, 0x67))
}

func isIndirect(v view) bool { return v.op == 0xff && (v.reg() == 2 || v.reg() == 4) }

func isPrefixedCall(in disasm.Inst) bool {
	return !in.IsVector() && look(in).op == 0xe8 && in.Bytes[0] != 0xe8
}

// isMistaken: the kernel would do what the opcode means alone, in place of the
// vector instruction.
func isMistaken(in disasm.Inst) bool {
	return in.IsVector() && emulation(look(in)) != ""
}

func mistakenRefusal(s *subject) string {
	in, _ := s.inst()
	return fmt.Sprintf("(%s) is a vector instruction that the kernel takes for %s: it accepts a probe there, then does that instead",
		in, emulation(look(in)))
}

// isMisemulated: the kernel does it, and otherwise than the processor.
func isMisemulated(in disasm.Inst) bool { return misemulation(in) != "" }

func misemulation(in disasm.Inst) string {
	if in.IsVector() {
		return ""
	}
	switch look(in).op {
	case 0xe0, 0xe1, 0xe2:
		return "is a loop, which the kernel does itself at a probe, with a turn too many"
	case 0xc2:
		return "is a return that takes arguments from the stack, and the kernel, which may do it itself at a probe, leaves them there"
	case 0xca, 0xcb:
		return "is a far return, which the kernel does itself at a probe, as a near one"
	}
	return ""
}

func misemulatedRefusal(s *subject) string {
	in, _ := s.inst()
	return fmt.Sprintf("(%s) %s", in, misemulation(in))
}

// notUnlocked: on a machine with one CPU 3e stands for the lock prefix, and the
// kernel keeps probes away from it for as long as it may come back. Compilers
// put 3e before no instruction that writes memory.
//
// Gone with the whole of it in some release up to 7.3.
func notUnlocked(in disasm.Inst) bool {
	return in.Bytes[0] != 0x3e || !isLockable(look(in))
}

func isLockable(v view) bool {
	if v.isRegister() {
		return false
	}
	switch {
	case v.bytes == 1 && v.op < 0x38 && v.op&7 < 2: // add, or, adc, sbb, and, sub, xor
		return true
	case v.bytes == 1:
		switch v.op {
		case 0x80, 0x81, 0x83, 0x86, 0x87, 0xf6, 0xf7, 0xfe:
			return true
		case 0xff:
			return v.reg() < 2
		}
		return false
	case v.bytes == 2: // bts, btr, btc, cmpxchg, xadd, cmpxchg8b
		switch v.second {
		case 0xab, 0xb3, 0xba, 0xbb, 0xb0, 0xb1, 0xc0, 0xc1, 0xc7:
			return true
		}
	}
	return false
}

// hasPrefix looks at the prefixes that stand before REX or VEX.
func hasPrefix(in disasm.Inst, prefix byte) bool {
	for _, b := range in.Bytes {
		switch b {
		case prefix:
			return true
		case 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3:
		default:
			return false
		}
	}
	return false
}
