// Package capture is the fixed handler: it records what was asked of a hit
// (arguments, registers, memory behind a pointer, the stack) and judges nothing
// beyond the thread that hit.
//
// Check turns a request into a Unit against the kernel's types; the plan then
// chooses a mechanism, and Emit writes the Unit's program for the context that
// the mechanism gives. Layout says where each part stands in a record. All of it
// is data and computing: nothing is loaded, nothing is read from a kernel.
package capture

import (
	"encoding/binary"
	"slices"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/arch"
	"ktrap/internal/object"
)

// Unit is what one hit's record holds, independent of how the hit is caught.
type Unit struct {
	Args   []arch.Loc // where each argument is; its words are recorded raw
	Ret    int        // how many words of what a function returns: 0 to 2
	Before int        // how many arguments stand before it in a trampoline's context
	Regs   bool       // struct pt_regs, whole
	Reads  []Read     // memory, read when the probe hits
	Frames int        // the deepest kernel stack recorded; 0 for none
	// Operands are memory that registers point to, read when the probe hits.
	Operands []Operand
	// Losses records how many hits of any point of the batch had found no room by
	// then, so that a reader knows whether something is missing between two records.
	Losses bool
	Filter Filter
	Quiet  bool  // hits are counted, and nothing is recorded
	Once   bool  // the first hit that passes disarms the point
	If     *Part // lets a hit pass, besides Filter; nil for every hit
	Show   *Part // records values of its own; nil for none
}

// A Part is a program that the Unit's own calls with the context and with memory of
// Size bytes. It says by the first word of that memory, which is zero before,
// whether it did what it is for.
type Part struct {
	Size int
	Emit func(Target) (asm.Instructions, error)
}

// le is the byte order of records: that of every processor we know.
var le = binary.LittleEndian

// Read is memory that a hit's record holds. Reading starts at the pointer in a
// word of the record; every offset but the last is added and the pointer there
// followed, the last is added and the bytes there are copied.
type Read struct {
	Arg     int   // index into Unit.Args, or RetWord
	Word    int   // bytes into the argument's words, where the pointer is
	Offsets []int // bytes
	Size    int   // bytes copied at most
	String  bool  // stops at a NUL; at most Size bytes with it
}

func (r Read) equal(o Read) bool {
	return r.Arg == o.Arg && r.Word == o.Word && r.Size == o.Size && r.String == o.String && slices.Equal(r.Offsets, o.Offsets)
}

// Operand is memory at Disp and what registers add to it.
type Operand struct {
	Base, Index int // indexes into Arch.Regs, or NoReg
	Scale       uint64
	Disp        uint64
	Size        int // bytes
}

// NoReg as an Operand's Base or Index adds nothing.
const NoReg = -1

// RetWord as a Read's Arg starts at the returned word.
const RetWord = -1

// Filter lets a hit pass if all that is set agrees.
type Filter struct {
	PID  uint32 // process id (the kernel's tgid); 0 for any
	Comm string // the thread's name, at most 15 bytes; empty for any
}

// Layout says where the parts of a Unit's record stand: offsets and sizes in
// bytes from the record's start, -1 where a part is absent.
type Layout struct {
	Faults   int   // u64: bit i set when Reads[i], or behind them Operands[i-len(Reads)], could not be read
	Losses   int   // u64
	Args     []int // the first of each argument's words
	Ret      int
	Regs     int
	Reads    []int
	Operands []int
	Show     int // what Unit.Show records
	Stack    int // s64: bytes of addresses that follow it, or an error below zero
	Size     int
}

// LayOut returns the layout of u's records on a.
func (u *Unit) LayOut(a *arch.Arch) Layout {
	at := object.HeaderSize
	take := func(want bool, size int) int {
		if !want {
			return -1
		}
		start := at
		at += (size + 7) &^ 7
		return start
	}
	l := Layout{Args: make([]int, len(u.Args)), Reads: make([]int, len(u.Reads)), Operands: make([]int, len(u.Operands))}
	l.Faults = take(len(u.Reads)+len(u.Operands) > 0, 8)
	l.Losses = take(u.Losses, 8)
	for i, loc := range u.Args {
		l.Args[i] = take(true, 8*loc.Words)
	}
	l.Ret = take(u.Ret > 0, 8*u.Ret)
	l.Regs = take(u.Regs, a.RegsSize)
	for i, r := range u.Reads {
		l.Reads[i] = take(true, r.Size)
	}
	for i, o := range u.Operands {
		l.Operands[i] = take(true, o.Size)
	}
	l.Show = -1
	if u.Show != nil {
		l.Show = take(true, u.Show.Size)
	}
	l.Stack = take(u.Frames > 0, 8+8*u.Frames)
	l.Size = at
	return l
}
