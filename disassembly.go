package ktrap

import (
	"encoding/hex"

	"ktrap/internal/place"
)

// Address is an address of a kernel, in JSON a string such as "0xffffffff81000000".
type Address = place.Address

// Disassembly is a stretch of a kernel's code, cut into instructions, with what
// may be done at each of them.
type Disassembly struct {
	Place  string  `json:"place"` // as it was asked for
	Symbol string  `json:"symbol,omitempty"`
	Module string  `json:"module,omitempty"`
	Addr   Address `json:"addr"`
	Size   uint64  `json:"size"` // bytes

	Kernel  string `json:"kernel"` // its release
	BuildID string `json:"build_id,omitempty"`
	Arch    string `json:"arch"` // as GOARCH says
	// Source says where the bytes were read: "live", or the path of an image.
	Source string `json:"source"`

	Lines  []Line  `json:"lines"`
	Blocks []Block `json:"blocks"`
}

// Line is one instruction.
type Line struct {
	Addr   Address  `json:"addr"`
	Offset uint64   `json:"offset"` // bytes from the start of Symbol
	Bytes  HexBytes `json:"bytes"`
	Text   string   `json:"text"`
	// Target is where it jumps or calls, or what it refers to, by name; Comment
	// is what stands there: a string constant. Text has both.
	Target  string `json:"target,omitempty"`
	Comment string `json:"comment,omitempty"`

	Mark Mark `json:"mark"`
	// Why says in words what keeps a probe from standing here; or, if one can,
	// from being cheaper.
	Why    string `json:"why,omitempty"`
	Reason string `json:"reason,omitempty"` // the stable name of the refusal
	// Patches names what the running kernel may patch here.
	Patches []string `json:"patches,omitempty"`
	// Source is the line of source that it was made of, before it those of the
	// functions that it was inlined into, innermost first; empty without DWARF.
	Source []SourceLine `json:"source,omitempty"`
}

// Mark says how a probe on an instruction works.
type Mark string

// The marks, from the cheapest probe on.
const (
	MarkFtrace    Mark = "ftrace"    // the kernel's own call at a function's entry
	MarkOptimised Mark = "optimised" // a jump in the place of the instruction
	MarkEmulated  Mark = "emulated"  // a breakpoint; the instruction is computed
	MarkBoosted   Mark = "boosted"   // a breakpoint; a copy runs and jumps back
	MarkInt3      Mark = "int3"      // a breakpoint; a copy is single-stepped
	MarkNone      Mark = "no"        // none may stand here
	MarkUnknown   Mark = "unknown"   // the facts for a verdict are missing
)

// SourceLine is a place in the kernel's source.
type SourceLine struct {
	File string `json:"file"` // as in the kernel tree: net/unix/af_unix.c
	Line int    `json:"line"`
	Func string `json:"func,omitempty"`
}

// Block is a run of instructions that is entered at its first and left at its
// last only.
type Block struct {
	Start int    `json:"start"` // of Disassembly.Lines
	End   int    `json:"end"`   // behind its last line
	Succ  []Edge `json:"succ,omitempty"`
	// Unreached says that no edge leads here: from an indirect jump only, if ever.
	Unreached bool `json:"unreached,omitempty"`
	// Entered says that code elsewhere leads here too, which belongs to the function:
	// its unlikely part (.cold), or what mends a fault.
	Entered bool `json:"entered,omitempty"`
}

// Edge is a way out of a block.
type Edge struct {
	// Kind is next (falls through), jump, taken or not-taken (a conditional
	// jump), indirect (not known where), return, tail (a jump out of the function).
	Kind string `json:"kind"`
	To   int    `json:"to"`            // of Disassembly.Blocks, or -1
	Out  string `json:"out,omitempty"` // what is outside, if To is -1 and it has a name
}

// HexBytes are bytes that are written as hex.
type HexBytes []byte

// MarshalText writes two digits a byte.
func (b HexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b), nil }

// UnmarshalText reads what MarshalText writes.
func (b *HexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.AppendDecode(nil, text)
	return err
}
