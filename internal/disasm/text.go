package disasm

import (
	"fmt"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// unspoken are the instructions of kernel code that x86asm can't read.
var unspoken = map[string]string{
	"\xf3\x0f\x1e\xfa": "endbr64",
	"\xf3\x0f\x1e\xfb": "endbr32",
	"\x0f\x01\xca":     "clac",
	"\x0f\x01\xcb":     "stac",
	"\x0f\x01\xc1":     "vmcall",
	"\x0f\x01\xd9":     "vmmcall",
	"\x0f\x01\xe8":     "serialize",
	"\x0f\x01\xee":     "rdpkru",
	"\x0f\x01\xef":     "wrpkru",
	"\xc5\xf8\x77":     "vzeroupper",
}

// String is the instruction in AT&T syntax, or its bytes where no text is known.
func (in Inst) String() string {
	if text, ok := unspoken[string(in.Bytes)]; ok {
		return text
	}
	// x86asm is wrong wherever it disagrees on the length.
	decoded, err := x86asm.Decode(in.Bytes, 64)
	if err != nil || decoded.Len != len(in.Bytes) {
		return fmt.Sprintf("% x (unknown, %d bytes)", in.Bytes, len(in.Bytes))
	}
	for i, arg := range decoded.Args {
		if mem, ok := arg.(x86asm.Mem); ok {
			decoded.Args[i] = mend(mem)
		}
	}
	text := x86asm.GNUSyntax(decoded, in.Addr, nil)
	switch decoded.Op {
	case x86asm.CALL, x86asm.JMP, x86asm.RET, x86asm.LEAVE: // objdump 2.40 has no q behind them
		name := strings.ToLower(decoded.Op.String())
		text = strings.Replace(text, name+"q", name, 1)
	}
	return text
}

// mend repairs what x86asm prints as 0xffffff18(%r12,%riz): the sign of a
// 32-bit displacement is lost, and a SIB byte without index shows.
func mend(mem x86asm.Mem) x86asm.Mem {
	if mem.Disp>>31 == 1 {
		mem.Disp = int64(int32(mem.Disp))
	}
	if mem.Index == 0 {
		mem.Scale = 0
	}
	return mem
}
