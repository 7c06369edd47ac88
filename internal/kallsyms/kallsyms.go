// Package kallsyms reads the kernel's symbol table in both of its forms: the
// text of /proc/kallsyms (List) and the compressed tables that a kernel carries
// in its read-only data (Table). It is given text or memory and fetches nothing.
// What it is given may be truncated or a lie: it answers with an error then,
// never with a panic, an endless loop or more memory than 64 MB an array.
//
// A Table is of five arrays, n symbols long, in address order:
//
//	num_syms     u32       n
//	names        n times   length (1 byte, or 2 as ULEB128), then so many tokens
//	token_index  256 u16   where a token's text starts in token_table
//	token_table  256 texts each ended by a zero byte
//	offsets      n s32     address, in one of three ways of addressing
//
// The texts of a symbol's tokens put together are its type letter and its name:
//
//	03 54 9e 11  =  "T" "unix_" "stream"  =  type T, name unix_stream
//
// Names stay compressed, and a name's first token tells most often that it is
// not the one looked for. Two more arrays help to find one by halving:
//
//	markers        u32     where in names every 256th symbol starts
//	seqs_of_names  n u24   the symbols in the order of their names, from 6.2 on
package kallsyms

import (
	"math"
	"sort"
)

// A Symbol is one entry of a table.
type Symbol struct {
	Name   string
	Module string // "" for the kernel proper
	Addr   uint64
	Size   uint64 // bytes to the next symbol, or 0 if that is unknown
	// Type is nm's letter: t T text, w W weak, d D data, b B bss, r R read-only,
	// a A absolute. 7.3 calls data text; a module's are all small.
	Type byte
}

const (
	maxAliases = 256     // symbols at one address; 7.3 has 196
	maxSize    = 1 << 30 // bytes; only the way from percpu symbols to text is longer
)

// ordered are addresses that ascend.
type ordered interface {
	Len() int
	Addr(i int) uint64
}

// Holding returns which symbol of a table lies at addr or most closely before
// it: of several at one place the first, as the kernel has it.
func Holding(t ordered, addr uint64) (i int, ok bool) {
	after := t.Len()
	if addr != math.MaxUint64 {
		after = firstFrom(t, addr+1)
	}
	if after == 0 {
		return 0, false
	}
	return firstFrom(t, t.Addr(after-1)), true
}

// firstFrom returns the first symbol at addr or behind it, or the table's length.
func firstFrom(t ordered, addr uint64) int {
	return sort.Search(t.Len(), func(i int) bool { return t.Addr(i) >= addr })
}

// size measures symbol i up to the next that lies elsewhere.
func size(t ordered, i int) uint64 {
	addr := t.Addr(i)
	for next := i + 1; next < min(t.Len(), i+maxAliases); next++ {
		if size := t.Addr(next) - addr; 0 < size && size <= maxSize {
			return size
		} else if size != 0 {
			break
		}
	}
	return 0
}
