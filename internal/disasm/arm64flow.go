package disasm

import "encoding/binary"

// word is an instruction of arm64; 0, which is undefined, where it is cut off.
func (in Inst) word() uint32 {
	if len(in.Bytes) < wordSize {
		return 0
	}
	return binary.LittleEndian.Uint32(in.Bytes)
}

// branches are the instructions of arm64 that do not just go on: those whose
// bits under mask are value. The distance is counted in words.
var branches = []struct {
	mask, value uint32
	kind        FlowKind
	bits, shift int // of the distance
}{
	{0xfc000000, 0x14000000, Jump, 26, 0},
	{0xfc000000, 0x94000000, Call, 26, 0},
	{0xff000000, 0x54000000, CondJump, 19, 5},    // b.cond, bc.cond
	{0x7e000000, 0x34000000, CondJump, 19, 5},    // cbz, cbnz
	{0x7e000000, 0x36000000, CondJump, 14, 5},    // tbz, tbnz
	{0xfefff000, 0xd61f0000, IndirectJump, 0, 0}, // br, braa, brab
	{0xfefff000, 0xd63f0000, IndirectCall, 0, 0}, // blr, blraa, blrab
	{0xfffff000, 0xd65f0000, Return, 0, 0},       // ret, retaa, retab
	{0xfffff000, 0xd69f0000, Return, 0, 0},       // eret, eretaa, eretab
	{0xffe0001f, 0xd4200000, Stop, 0, 0},         // brk
	{0xffff0000, 0x00000000, Stop, 0, 0},         // udf
}

func (in Inst) flowARM64() Flow {
	word := in.word()
	for _, b := range branches {
		if word&b.mask != b.value {
			continue
		}
		if b.bits == 0 {
			return Flow{Kind: b.kind}
		}
		left := 32 - b.shift - b.bits
		distance := int32(word<<left) >> (32 - b.bits)
		return Flow{b.kind, in.Addr + uint64(int64(distance)*wordSize)}
	}
	return Flow{}
}
