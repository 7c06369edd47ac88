package emit

import "github.com/cilium/ebpf/asm"

// held says of which word of the stack a machine's register is a copy: how far below
// the frame pointer that is, or 0 for none.
type held [11]int16

// has reports whether an instruction loads what its register holds anyway.
func (h *held) has(in asm.Instruction) bool {
	return in.OpCode == loadWord && in.Src == asm.RFP && h[in.Dst] == in.Offset && in.Offset != 0
}

var (
	loadWord  = asm.LoadMem(asm.R0, asm.RFP, 0, asm.DWord).OpCode
	storeWord = asm.StoreMem(asm.RFP, 0, asm.R0, asm.DWord).OpCode
)

// note takes in what an instruction changes.
func (h *held) note(in asm.Instruction) {
	switch class := in.OpCode.Class(); {
	case class.IsStore() && in.Dst == asm.RFP:
		h.forget(in.Offset)
		if in.OpCode == storeWord {
			h[in.Src] = in.Offset
		}
	case class.IsStore(), in.OpCode.JumpOp() == asm.Call:
		*h = held{}
	case class.IsLoad(), class.IsALU():
		h[in.Dst] = 0
		if in.OpCode == loadWord && in.Src == asm.RFP {
			h[in.Dst] = in.Offset
		}
	}
}

// forget is called when something is stored in the word that off lies in.
func (h *held) forget(off int16) {
	for r := range h {
		if h[r] == off&^7 {
			h[r] = 0
		}
	}
}
