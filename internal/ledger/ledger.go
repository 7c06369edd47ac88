// Package ledger writes how every program of ours begins: it counts the hit
// before anything can fail, and goes on only if its point is armed.
package ledger

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/object"
)

// Registers that hold something behind Enter.
const (
	Context = asm.R6 // what the program was called with
	Counts  = asm.R7 // the point's counters of this CPU
	Index   = asm.R8 // the point's index in its batch, if the program serves many
)

// Labels that the program's end must have: Unarmed, where the hit is counted as
// such (see Count), and Out, where the program ends. No variable of a handler file
// could have a label's name.
const (
	Unarmed = "ktrap.unarmed"
	Out     = "ktrap.out"
)

// Point says which point a program serves, or how it knows for which it is called.
type Point struct {
	Cookie bool   // by the attach cookie: the point's index in the batch, and 1 (kprobe.multi 5.18)
	Sites  *Sites // by the address of the hit
	Index  uint32 // else it is this
	Points int    // in the batch
	Once   bool   // the first hit disarms the point: see Claim
}

// Many tells that the program serves many points: Find leaves in Index which.
func (p Point) Many() bool { return p.Cookie || p.Sites != nil }

// Find finds the index of the point, which is Points for a hit of none. R1 has the
// program's context.
func (p Point) Find() asm.Instructions {
	switch {
	case p.Cookie:
		return asm.Instructions{
			asm.FnGetAttachCookie.Call(),
			asm.Mov.Reg(Index, asm.R0),
			asm.Sub.Imm(Index, 1), // the kernel gives 0 where it finds no cookie
			asm.JGE.Imm(Index, int32(p.Points), Out),
		}
	case p.Sites != nil:
		return p.Sites.find(p.Points)
	}
	return nil
}

// keySlot is where the point's index stands, bytes below the frame pointer. What
// follows may use that memory.
const keySlot = -8

// Enter counts the hit and goes on only if the point is armed.
func Enter(p Point) asm.Instructions {
	insns := asm.Instructions{asm.Mov.Reg(Context, asm.R1)}
	insns = append(append(insns, p.Find()...), p.key()...)
	insns = append(insns,
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, keySlot),
		asm.LoadMapPtr(asm.R1, 0).WithReference(object.Counts),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, Out),
		asm.Mov.Reg(Counts, asm.R0),
	)
	insns = append(insns, Count(object.HitsOffset)...)
	insns = append(insns, p.state()...)
	insns = append(insns,
		asm.LoadMem(asm.R1, asm.R1, 0, asm.Word),
		asm.JEq.Imm(asm.R1, 0, Unarmed),
	)
	if p.Once {
		insns = append(insns, Claim(p)...)
	}
	return insns
}

// key stores the point's index in keySlot.
func (p Point) key() asm.Instructions {
	if !p.Many() {
		return asm.Instructions{asm.StoreImm(asm.RFP, keySlot, int64(p.Index), asm.Word)}
	}
	return asm.Instructions{asm.StoreMem(asm.RFP, keySlot, Index, asm.Word)}
}

// state leaves in R1 where the point's state is.
func (p Point) state() asm.Instructions {
	if !p.Many() {
		return asm.Instructions{asm.LoadMapValue(asm.R1, 0, 4*p.Index).WithReference(object.State)}
	}
	return asm.Instructions{
		asm.LoadMapValue(asm.R1, 0, 0).WithReference(object.State),
		asm.Mov.Reg(asm.R2, Index),
		asm.LSh.Imm(asm.R2, 2),
		asm.Add.Reg(asm.R1, asm.R2),
	}
}

// What the kernel is told by, and tells, who adds a key to a map first.
const (
	noExist = 1   // BPF_NOEXIST
	exists  = -17 // EEXIST
)

// Claim goes on for one hit of the point only, and disarms it: of many at the same
// time, for the one that adds the point to a map (up to 5.11 no program can exchange
// a word). Who comes later disarms it too, in case it was armed together with another.
func Claim(p Point) asm.Instructions {
	const known = "ktrap.claimed"
	insns := append(p.key(),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, keySlot),
		asm.Mov.Reg(asm.R3, asm.R2),
		asm.Mov.Imm(asm.R4, noExist),
		asm.LoadMapPtr(asm.R1, 0).WithReference(object.Once),
		asm.FnMapUpdateElem.Call(),
		asm.JEq.Imm(asm.R0, 0, known),
		asm.JNE.Imm(asm.R0, exists, Unarmed),
	)
	disarm := p.state()
	disarm[0] = disarm[0].WithSymbol(known)
	return append(append(insns, disarm...),
		asm.StoreImm(asm.R1, 0, 0, asm.Word),
		asm.JNE.Imm(asm.R0, 0, Unarmed),
	)
}

// Count adds one to the point's counter at offset. It is atomic because up to
// 5.11 a program entered by fentry can interrupt itself on one CPU (ca06f55b9002
// shuts that out from 5.12 on).
func Count(offset int) asm.Instructions {
	add := asm.StoreXAdd(Counts, asm.R1, asm.DWord)
	add.Offset = int16(offset)
	return asm.Instructions{asm.Mov.Imm(asm.R1, 1), add}
}
