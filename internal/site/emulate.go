package site

// emulation says what the kernel does itself in place of an instruction, in its
// breakpoint's handler, or "".
//
// 6256e668b7af (5.13, and 5.10 since its backport).
func emulation(v view) string {
	switch {
	case v.op == 0xfa, v.op == 0xfb:
		return "cli or sti"
	case v.op == 0x9c, v.op == 0x9d:
		return "pushf or popf"
	case v.op == 0xc2, v.op == 0xc3, v.op == 0xca, v.op == 0xcb:
		return "a return"
	case v.op == 0xe8:
		return "a call"
	case v.op == 0xe9, v.op == 0xeb:
		return "a jump"
	case v.op>>4 == 0x7, v.op == 0x0f && v.second>>4 == 0x8:
		return "a conditional jump"
	case v.op&^3 == 0xe0:
		return "a loop"
	case isIndirect(v):
		return "an indirect branch"
	}
	return ""
}
