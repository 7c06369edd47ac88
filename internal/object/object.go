// Package object is a BPF program ready to be loaded, as data: instructions
// whose maps are named and not yet open, and the layout of the records it
// writes. Emitters make it, attach loads it, stream's readers decode by it.
//
// A record begins with a header of HeaderSize bytes:
//
//	 0  u64  time      ns of CLOCK_MONOTONIC (bpf_ktime_get_ns)
//	 8  u64  pid_tgid  process id in the upper half, thread id in the lower
//	16  u32  probe     the point's number in its session
//	20  u32  cpu
//	24  u64  full      how many hits of this point on this CPU had found no room before
//	32  char comm[16]
//
// What a unit asked for follows at the offsets of its Layout.
package object

import "github.com/cilium/ebpf/asm"

// Offsets of the record header's fields, and its size, bytes.
const (
	TimeOffset  = 0
	PidOffset   = 8
	ProbeOffset = 16
	CPUOffset   = 20
	LostOffset  = 24
	CommOffset  = 32
	CommSize    = 16
	HeaderSize  = 48
)

// Names by which instructions refer to maps: none that a variable of a handler file
// could have.
const (
	Ring   = "ktrap.ring"   // ring buffer of records
	Counts = "ktrap.counts" // per-CPU array: a Count for every point of the batch, one more for hits of none
	State  = "ktrap.state"  // one value: a u32 for every point of the batch, 1 while armed; one more of 0
	Sites  = "ktrap.sites"  // one value: a ledger.Sites' table
	Slots  = "ktrap.slots"  // one value: for every CPU a u64 for every point, in lines of its own: see SlotStride
	Once   = "ktrap.once"   // hash: the index of each point that is for one hit and had it
	Losses = "ktrap.losses" // one value: a u64, how many hits of points that want to know found no room
)

// Offsets of a point's counters in its per-CPU slot, and the slot's size, bytes.
// Whatever reaches the program counts as a hit before anything else happens, so
// hits = unarmed + filtered + unpaired + full + records submitted.
const (
	HitsOffset     = 0  // hits that reached the program
	UnarmedOffset  = 8  // of these, while the point was not armed
	FilteredOffset = 16 // of these, refused by the filter
	FullOffset     = 24 // of these, without room in the ring
	UnpairedOffset = 32 // of these, returns of a call whose entry was not seen
	CountSize      = 40
)

// SlotStride is how far apart the slots of two CPUs are, bytes: they share no line of
// a cache.
func SlotStride(points int) int { return (8*(points+1) + 63) &^ 63 }

// Context is what a program is called with.
type Context int

// The contexts.
const (
	Fentry    Context = iota // the arguments as an array of u64, at a function's entry
	Fexit                    // the same with the return value behind them, at its return
	Kprobe                   // struct pt_regs, at any instruction
	Kretprobe                // struct pt_regs, at a function's return
)

// Program is one BPF program.
type Program struct {
	Context Context
	Insns   asm.Instructions // jumps to labels, maps by name
}
