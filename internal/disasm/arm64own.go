package disasm

import (
	"fmt"
	"strings"
)

// hints of arm64 by number; without a name they are written hint #n.
var hints = map[uint32]string{
	0: "nop", 1: "yield", 2: "wfe", 3: "wfi", 4: "sev", 5: "sevl", 6: "dgh", 7: "xpaclri",
	8: "pacia1716", 10: "pacib1716", 12: "autia1716", 14: "autib1716",
	16: "esb", 17: "psb csync", 18: "tsb csync", 20: "csdb", 22: "clearbhb",
	24: "paciaz", 25: "paciasp", 26: "pacibz", 27: "pacibsp",
	28: "autiaz", 29: "autiasp", 30: "autibz", 31: "autibsp",
	32: "bti", 34: "bti c", 36: "bti j", 38: "bti jc",
}

// ownARM64 writes what arm64asm does not know: hints, system registers by name,
// and the atomics of LSE.
func ownARM64(w uint32) (op, args string, ok bool) {
	switch {
	case w>>24 == 0xd5:
		return system(w)
	case w>>24 == 0xd4:
		return trap(w)
	case w>>25 == 0xd6>>1:
		return authenticated(w)
	case w>>16 == 0:
		return "udf", fmt.Sprintf("#%d", w), true
	case w&0x3f200c00 == 0x38200000:
		return atomic(w)
	case w&0x3f207c00 == 0x08207c00:
		return compareAndSwap(w)
	}
	return "", "", false
}

// trap writes calls of other levels of privilege.
func trap(w uint32) (op, args string, ok bool) {
	switch w & 0xffe0001f {
	case 0xd4000002:
		op = "hvc"
	case 0xd4000003:
		op = "smc"
	}
	return op, fmt.Sprintf("#%#x", w>>5&0xffff), op != ""
}

// authenticated writes branches that check a signed pointer, with key a or b.
//
//	1101011 Z op1 op2 11111 00001 M Rn Rm   Z: there is an Rm, M: key b
func authenticated(w uint32) (op, args string, ok bool) {
	if w&0xf800 != 0x0800 {
		return "", "", false
	}
	op = [16]string{0: "br", 1: "blr", 2: "ret", 4: "eret", 8: "br", 9: "blr"}[w>>21&15]
	rn, rm := base(w), w&31
	switch isReturn := op == "ret" || op == "eret"; {
	case w&0x1f0000 != 0x1f0000 || op == "":
		return "", "", false
	case isReturn:
		return op + "a" + key(w), "", w&0x3ff == 0x3ff
	case w>>24&1 == 1:
		if rm == 31 {
			return op + "a" + key(w), rn + ", sp", true
		}
		return op + "a" + key(w), fmt.Sprintf("%s, x%d", rn, rm), true
	}
	return op + "a" + key(w) + "z", rn, rm == 31
}

// key is a or b.
func key(w uint32) string { return [2]string{"a", "b"}[w>>10&1] }

// system writes what is encoded as
//
//	1101010100 L op0 op1 CRn CRm op2 Rt
func system(w uint32) (op, args string, ok bool) {
	rt := sized(3<<30, w)
	op1, cn, cm, op2 := w>>16&7, w>>12&15, w>>8&15, w>>5&7
	switch {
	case w&0xfffff01f == 0xd503201f:
		return hint(w >> 5 & 0x7f), "", true
	case w == 0xd50330ff:
		return "sb", "", true
	case w&^31 == 0xd5031000:
		return "wfet", rt, true
	case w&^31 == 0xd5031020:
		return "wfit", rt, true
	case w>>20 == 0xd53:
		return "mrs", rt + ", " + systemRegister(w), true
	case w>>20 == 0xd51:
		return "msr", systemRegister(w) + ", " + rt, true
	case w&0xfff8f01f == 0xd500401f && stateFields[[2]uint32{op1, op2}] != "":
		return "msr", fmt.Sprintf("%s, #%#x", stateFields[[2]uint32{op1, op2}], cm), true
	case w>>19 == 0xd508>>3:
		return systemOperation(systemOperations[[4]uint32{op1, cn, cm, op2}], rt)
	}
	return "", "", false
}

// systemOperation splits "ic ivau" and adds the register, if there is one.
func systemOperation(name, rt string) (op, args string, ok bool) {
	op, args, ok = strings.Cut(name, " ")
	if rt != "xzr" {
		args += ", " + rt
	}
	return op, args, ok
}

func hint(n uint32) string {
	if name, ok := hints[n]; ok {
		return name
	}
	return fmt.Sprintf("hint #%#x", n)
}

// atomics are the operations of the instructions that read and write memory at
// once, by their field opc.
var atomics = [8]string{"add", "clr", "eor", "set", "smax", "smin", "umax", "umin"}

// atomic writes swp, ld… and its form st…, which forgets what was read.
//
//	size 111000 A R 1 Rs o3 opc 00 Rn Rt
func atomic(w uint32) (op, args string, ok bool) {
	acquire, release := w>>23&1, w>>22&1
	operands := fmt.Sprintf("%s, %s, [%s]", sized(w, w>>16), sized(w, w), base(w))
	switch opc := w >> 12 & 7; {
	case w>>15&1 == 0 && acquire == 0 && w&31 == 31:
		return "st" + atomics[opc] + ordering(0, release) + narrow(w), fmt.Sprintf("%s, [%s]", sized(w, w>>16), base(w)), true
	case w>>15&1 == 0:
		return "ld" + atomics[opc] + ordering(acquire, release) + narrow(w), operands, true
	case opc == 0:
		return "swp" + ordering(acquire, release) + narrow(w), operands, true
	}
	return "", "", false
}

// compareAndSwap writes cas, and casp for pairs of registers.
//
//	size 001000 pair? L 1 Rs o0 11111 Rn Rt
func compareAndSwap(w uint32) (op, args string, ok bool) {
	acquire, release := w>>22&1, w>>15&1
	if w>>23&1 == 1 {
		return "cas" + ordering(acquire, release) + narrow(w), fmt.Sprintf("%s, %s, [%s]", sized(w, w>>16), sized(w, w), base(w)), true
	}
	if w>>31 == 1 || w>>16&1 == 1 || w&1 == 1 {
		return "", "", false
	}
	wide := w >> 30 * (3 << 30) // as the size of other instructions
	return "casp" + ordering(acquire, release),
		fmt.Sprintf("%s, %s, %s, %s, [%s]", sized(wide, w>>16), sized(wide, w>>16+1), sized(wide, w), sized(wide, w+1), base(w)), true
}

func ordering(acquire, release uint32) string {
	return [2]string{"", "a"}[acquire] + [2]string{"", "l"}[release]
}

// narrow is the suffix for an operand of a byte or a half word.
func narrow(w uint32) string { return [4]string{"b", "h", "", ""}[w>>30] }

// sized is the register in the low bits of field, as wide as the operation of w.
func sized(w, field uint32) string {
	kind := "w"
	if w>>30 == 3 {
		kind = "x"
	}
	if field&31 == 31 {
		return kind + "zr"
	}
	return fmt.Sprintf("%s%d", kind, field&31)
}

// base is the register that holds the address.
func base(w uint32) string {
	if w>>5&31 == 31 {
		return "sp"
	}
	return fmt.Sprintf("x%d", w>>5&31)
}
