// Package patch reads the tables in which a kernel notes what it rewrites in its
// own text, and what it knows of it. These are the places of ftrace, jump labels,
// static calls and alternatives, what a fault or a BUG there means, and where no
// kprobe may be.
//
// It reads them out of an image, where all of them are, or out of the memory of
// a running kernel, which keeps those of Kept and those of its modules. It is
// given memory and returns data. How long a table's entries are changes from
// kernel to kernel; that is never asked of a version, but found by trying which
// length makes the entries point into text.
//
// A Table is bytes, which may be kept in a file and used where they lie: they
// are read when a question touches them. All numbers are little-endian:
//
//	header   "ktrap-p1", u64 base
//	kinds    13 times u32 present, count, where its records begin, size
//	records  by address: u32 address less base, and if the header has no size
//	         u32 size, number with the flag on top, target and ref less base
package patch

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"sort"
)

// A Kind is what a kernel notes about a place in its text.
type Kind uint8

const (
	Ftrace      Kind = iota // a call of the function tracer, or the nop for it
	JumpLabel               // a jump that comes and goes with a static key
	StaticCall              // a call whose target is patched in
	Exception               // an instruction that may fault; Target is where it goes on then
	Bug                     // BUG or WARN
	Alternative             // replaced at boot, if the processor has a feature
	Retpoline               // a call or jump of an indirect thunk
	Return                  // a return by a thunk
	CallSite                // a call, where the depth of calls may come to be counted
	Endbr                   // an endbr that nothing branches to, sealed at boot
	Lock                    // a lock prefix, taken out where there is one CPU
	Paravirt                // a call that a hypervisor's own way replaces
	Blacklist               // a function or section that kprobes must keep out of
	kinds
)

var names = [kinds]string{
	"ftrace site", "jump label", "static call", "exception", "bug", "alternative", "retpoline",
	"return thunk", "call site", "endbr seal", "lock", "paravirt call", "kprobe blacklist",
}

func (k Kind) String() string {
	if k < kinds {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Kinds returns all kinds.
func Kinds() []Kind {
	all := make([]Kind, kinds)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// Kept are the kinds whose tables stay in a kernel's memory when it has booted.
func Kept() []Kind { return []Kind{JumpLabel, StaticCall, Exception, Bug} }

// An Entry is one place of a kind.
type Entry struct {
	Kind Kind
	Addr uint64
	Size int // bytes
	// Target is where a jump label jumps, where an exception goes on, or where the
	// replacement of an alternative is; else 0.
	Target uint64
	// Ref is the key of a jump label or static call, or the name of a BUG's source
	// file, which the kernel has as text there; 0 if unknown.
	Ref uint64
	// Number is the line of a BUG, the CPU feature of an alternative, the bytes of
	// whose replacement are Length, or the type of a paravirt call.
	Number int
	// Flag says that a BUG only warns, that a static call is a tail call, or that
	// an alternative is for processors without the feature.
	Flag bool
}

// End is the address behind the entry.
func (e Entry) End() uint64 { return e.Addr + uint64(e.Size) }

// A Range is the addresses from Start up to, but not including, End.
type Range struct{ Start, End uint64 }

func (r Range) contains(addr uint64) bool { return r.Start <= addr && addr < r.End }

// A Table holds the entries of one kernel, or of one module.
type Table struct {
	base  uint64
	data  []byte
	parts [kinds]part
}

// A part is where the records of one kind are.
type part struct {
	present bool
	count   int
	records []byte
	size    uint32 // of each entry; 0 if the records tell
}

// Has reports whether the table of a kind was found. One that was found may be
// empty.
func (t *Table) Has(k Kind) bool { return t != nil && k < kinds && t.parts[k].present }

// Len counts the entries of a kind.
func (t *Table) Len(k Kind) int {
	if !t.Has(k) {
		return 0
	}
	return t.parts[k].count
}

// All yields the entries of a kind by address.
func (t *Table) All(k Kind) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range t.Len(k) {
			if !yield(t.entry(k, i)) {
				return
			}
		}
	}
}

// In returns the entries of all kinds that begin from start on and before end,
// by address. It is nil-safe, as all methods are.
func (t *Table) In(start, end uint64) []Entry {
	var found []Entry
	for k := range kinds {
		found = append(found, t.Of(k, start, end)...)
	}
	slices.SortStableFunc(found, func(a, b Entry) int { return cmp.Compare(a.Addr, b.Addr) })
	return found
}

// Of returns the entries of one kind that begin from start on and before end.
func (t *Table) Of(k Kind, start, end uint64) []Entry {
	var found []Entry
	for i := t.from(k, start); i < t.Len(k); i++ {
		e := t.entry(k, i)
		if e.Addr >= end {
			break
		}
		found = append(found, e)
	}
	return found
}

// from is the index of the first entry at addr or behind it.
func (t *Table) from(k Kind, addr uint64) int {
	return sort.Search(t.Len(k), func(i int) bool { return t.addr(k, i) >= addr })
}
