package vmlinux

import (
	"bytes"
	"cmp"
	"slices"
)

// A relocation is a word that is right only once an arm64 kernel has relocated
// itself, as it does even where it was linked for.
type relocation struct{ addr, value uint64 }

// findRelocations looks for entries of 24 bytes, side by side:
//
//	where u64  type 0x403 (R_AARCH64_RELATIVE) u64  value u64
//
// 6.1 has 130,000 of them; 6.12 has 7, and keeps the others as bits (RELR) with
// the values in place.
func (k *Kernel) findRelocations() {
	const relative, size = "\x03\x04\x00\x00\x00\x00\x00\x00", 24
	for _, s := range k.segments {
		for at := 0; at < len(s.data); at++ {
			next := bytes.Index(s.data[at:], []byte(relative))
			if next < 0 {
				break
			}
			for at += next; at >= 8 && at+16 <= len(s.data) && bytes.HasPrefix(s.data[at:], []byte(relative)); at += size {
				r := relocation{le.Uint64(s.data[at-8:]), le.Uint64(s.data[at+8:])}
				if k.within(r.addr) == nil || k.within(r.value) == nil {
					break
				}
				k.relocations = append(k.relocations, r)
			}
		}
	}
	slices.SortStableFunc(k.relocations, func(a, b relocation) int { return cmp.Compare(a.addr, b.addr) })
}

// relocationsFrom returns those that reach to addr or lie behind it.
func (k *Kernel) relocationsFrom(addr uint64) []relocation {
	i, _ := slices.BinarySearchFunc(k.relocations, addr-min(addr, 7), func(r relocation, addr uint64) int {
		return cmp.Compare(r.addr, addr)
	})
	return k.relocations[i:]
}

// relocate puts the right words into p, which was read from addr.
func (k *Kernel) relocate(p []byte, addr uint64) {
	for _, r := range k.relocationsFrom(addr) {
		if r.addr >= addr+uint64(len(p)) {
			break
		}
		word := le.AppendUint64(nil, r.value)
		if r.addr < addr {
			copy(p, word[addr-r.addr:])
		} else {
			copy(p[r.addr-addr:], word)
		}
	}
}

// isRelocated says whether there are any in n bytes from addr on.
func (k *Kernel) isRelocated(addr uint64, n int) bool {
	next := k.relocationsFrom(addr)
	return len(next) > 0 && next[0].addr < addr+uint64(n)
}
