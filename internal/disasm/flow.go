package disasm

import (
	"encoding/binary"
	"strings"
)

// A Flow says where an instruction leads.
type Flow struct {
	Kind FlowKind
	// Target is where a Jump, a CondJump or a Call goes.
	Target uint64
}

// A FlowKind is a way to go on behind an instruction.
type FlowKind uint8

// The kinds of flow.
const (
	Next FlowKind = iota // to the instruction behind
	Jump
	CondJump     // to Target, or to the instruction behind
	Call         // to Target, and in the end to the instruction behind
	IndirectJump // who knows
	IndirectCall // who knows, and in the end to the instruction behind
	Return       // also from an interrupt or a system call
	Stop         // a trap: ud2, int3, brk
)

// A Namer tells the name of what is at an address: a symbol, or one with an
// offset ("memcpy+0x10"). A nil Namer knows none.
type Namer func(addr uint64) (name string, ok bool)

func (n Namer) at(addr uint64) string {
	if n == nil {
		return ""
	}
	if name, ok := n(addr); ok {
		return name
	}
	return ""
}

// Flow returns where the instruction leads. The kernel calls and jumps through
// thunks, to which name is the only clue: without names, an indirect call through
// one is a Call to the thunk, a return a Jump.
func (in Inst) Flow(name Namer) Flow {
	if in.Arch == ARM64 {
		return in.flowARM64()
	}
	return in.flowAMD64().through(name)
}

// through sees what a jump or a call to a thunk of x86 stands for.
func (f Flow) through(name Namer) Flow {
	if f.Kind != Jump && f.Kind != Call || name == nil {
		return f
	}
	switch thunk := name.at(f.Target); {
	case strings.HasPrefix(thunk, "__x86_indirect_"): // …thunk_rax, …call_thunk_rax, …its_thunk_rax
		return Flow{Kind: indirect[f.Kind]}
	case f.Kind == Jump && strings.HasSuffix(thunk, "_return_thunk"): // __x86…, srso…, its…
		return Flow{Kind: Return}
	}
	return f
}

var indirect = map[FlowKind]FlowKind{Jump: IndirectJump, Call: IndirectCall}

func (in Inst) flowAMD64() Flow {
	l := look(in.Bytes)
	if l.vector || l.end != len(in.Bytes) {
		return Flow{}
	}
	op := in.Bytes[l.opcode:]
	switch kind := flowOf(op); kind {
	case Jump, CondJump, Call:
		return Flow{kind, in.End() + relative(op)}
	default:
		return Flow{Kind: kind}
	}
}

// flowOf classifies an instruction by its opcode and what follows.
func flowOf(op []byte) FlowKind {
	switch b := op[0]; {
	case b == 0x0f:
		return flowOfTwoByte(op[1])
	case b>>4 == 7, b >= 0xe0 && b <= 0xe3, b == 0xc7 && op[1] == 0xf8: // jcc, loop, jrcxz, xbegin
		return CondJump
	case b == 0xe8:
		return Call
	case b == 0xe9, b == 0xeb:
		return Jump
	case b == 0xff:
		return flowOfGroup5[op[1]>>3&7]
	case b == 0xc2, b == 0xc3, b == 0xca, b == 0xcb, b == 0xcf: // ret, lret, iret
		return Return
	case b == 0xcc, b == 0xf1, b == 0xd6: // int3, int1, udb
		return Stop
	}
	return Next
}

func flowOfTwoByte(b byte) FlowKind {
	switch {
	case b>>4 == 8:
		return CondJump
	case b == 0x07, b == 0x35: // sysret, sysexit
		return Return
	case b == 0x0b, b == 0xb9, b == 0xff: // ud2, ud1, ud0
		return Stop
	}
	return Next
}

// flowOfGroup5 is by the reg field of ModRM behind ff.
var flowOfGroup5 = [8]FlowKind{2: IndirectCall, 3: IndirectCall, 4: IndirectJump, 5: IndirectJump}

// relative is the distance at the end of an instruction: 1 byte, or 4; 2 in an
// xbegin with a prefix 66.
func relative(op []byte) uint64 {
	switch len(op) {
	case 2:
		return uint64(int8(op[1]))
	case 4:
		return uint64(int16(binary.LittleEndian.Uint16(op[2:])))
	}
	return uint64(int32(binary.LittleEndian.Uint32(op[len(op)-4:])))
}
