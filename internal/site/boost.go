package site

import "ktrap/internal/disasm"

// boostable reports whether an instruction may run as a copy that a jump back
// follows: it neither branches nor traps. Whether it may fault is not asked
// here.
func (k *Kernel) boostable(in disasm.Inst) bool {
	v := look(in)
	switch {
	case v.bytes == 2:
		return boostable2[v.second>>4]>>(v.second&15)&1 == 1
	case v.bytes != 1:
		return false
	case hasPrefix(in, 0x2e), hasPrefix(in, 0x67):
		return false
	}
	switch op := v.op; {
	case op == 0x62, op>>4 == 0x7, op == 0x9a, op >= 0xcc && op <= 0xce, op == 0xd6, op >= 0xd8 && op <= 0xdf,
		op&^3 == 0xe0, op == 0xe8, op == 0xe9, op == 0xeb, op >= 0xf0 && op <= 0xf4:
		return false
	}
	return k.boostableGroup(v)
}

// 290eb13f1a65 (6.9): of groups that hold several instructions only the indirect
// jump was boosted before.
func (k *Kernel) boostableGroup(v view) bool {
	old := k.before(6, 9)
	switch v.op {
	case 0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3:
		return !old && v.reg() != 6
	case 0xf6, 0xf7:
		return !old && v.reg() != 1
	case 0xfe:
		return !old && v.reg() < 2
	case 0xff:
		return v.reg() == 4 || !old && v.reg() < 2
	}
	return true
}

// boostable2 has, for the first digit of the opcode behind 0F, a bit for each
// second one: the kernel's twobyte_is_boostable, the same from 5.10 to 7.3.
var boostable2 = [16]uint16{
	0x034c, 0x8000, 0x000f, 0x0002, 0xffff, 0x0000, 0xcfff, 0xc0f0,
	0x0000, 0xffff, 0xbb3b, 0xf8ff, 0xff03, 0xbb2e, 0xbb26, 0x772e,
}
