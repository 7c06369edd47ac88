package vmlinux

import (
	"bytes"
	"cmp"
	"errors"
	"maps"
	"slices"
)

// parseImage lays out a flat Image: one segment, whose size in memory the header
// tells, at an address that nothing tells.
func (k *Kernel) parseImage() error {
	base, ok := linkedAt(k.data)
	if !ok {
		return errors.New("an Image whose pointers lead nowhere")
	}
	size := le.Uint64(k.data[16:])
	if size < uint64(len(k.data)) || size > 2*MaxSize {
		size = uint64(len(k.data))
	}
	k.Arch = "arm64"
	k.segments = []segment{{base, size, k.data}}
	k.findMoves()
	return nil
}

// alignment is that of a kernel's link address and of its window below.
const alignment = 2 << 20

// linkedAt finds the address that an Image was linked for, a multiple of 2 MB:
// its pointers (some 200,000) into itself outnumber all else that looks like an
// address by far, and thousands lead into its first 2 MB, where the exception
// vectors and the first functions lie. A page in eight is enough to see that.
func linkedAt(image []byte) (base uint64, ok bool) {
	counts := countPointers(image)
	width := (uint64(len(image)) + alignment - 1) / alignment
	starts := slices.Sorted(maps.Keys(counts))
	sum, most, end := 0, 0, 0
	for _, start := range starts {
		for end < len(starts) && starts[end]-start < width {
			sum += counts[starts[end]]
			end++
		}
		// An earlier start may see as much, but has little in its own 2 MB.
		if sum > most && counts[start] > sum/1000 {
			base, most = start*alignment, sum
		}
		sum -= counts[start]
	}
	return base, most > 0
}

// countPointers counts what looks like an address by the 2 MB that it leads to.
func countPointers(image []byte) map[uint64]int {
	const page, stride, maxPlaces = 4 << 10, 32 << 10, 1 << 16
	counts := map[uint64]int{}
	for at := 0; at+page <= len(image); at += stride {
		for p := image[at : at+page]; len(p) > 0; p = p[8:] {
			word := le.Uint64(p)
			if word>>47 != 1<<17-1 || word >= 1<<64-1<<32 {
				continue
			}
			if n := counts[word/alignment]; n > 0 || len(counts) < maxPlaces {
				counts[word/alignment] = n + 1
			}
		}
	}
	return counts
}

// A move is a word that is right only once the kernel has relocated itself, as
// it does even where it was linked for.
type move struct{ addr, value uint64 }

// findMoves looks for the kernel's relocations: words of 24 bytes, side by side.
//
//	where u64  type 0x403 (R_AARCH64_RELATIVE) u64  value u64
//
// 6.1 has 130,000 of them; 6.12 has 7, and keeps the others as bits, with the
// values in place (RELR).
func (k *Kernel) findMoves() {
	const relative, size = "\x03\x04\x00\x00\x00\x00\x00\x00", 24
	for _, s := range k.segments {
		for at := 0; at < len(s.data); {
			next := bytes.Index(s.data[at:], []byte(relative))
			if next < 0 {
				break
			}
			at += next
			for at >= 8 && at+16 <= len(s.data) && string(s.data[at:at+8]) == relative && k.isMove(s.data[at-8:]) {
				k.moves = append(k.moves, move{le.Uint64(s.data[at-8:]), le.Uint64(s.data[at+8:])})
				at += size
			}
			at++
		}
	}
	slices.SortStableFunc(k.moves, func(a, b move) int { return cmp.Compare(a.addr, b.addr) })
}

// isMove says whether both addresses of an entry lie in the kernel.
func (k *Kernel) isMove(entry []byte) bool {
	return k.within(le.Uint64(entry)) != nil && k.within(le.Uint64(entry[16:])) != nil
}

// from returns the moves from addr on; the word before may reach into it.
func (k *Kernel) from(addr uint64) []move {
	i, _ := slices.BinarySearchFunc(k.moves, addr, func(m move, addr uint64) int {
		return cmp.Compare(m.addr, addr-min(addr, 7))
	})
	return k.moves[i:]
}

// move makes the moves in p, which was read from addr.
func (k *Kernel) move(p []byte, addr uint64) {
	for _, m := range k.from(addr) {
		if m.addr >= addr+uint64(len(p)) {
			break
		}
		word := le.AppendUint64(nil, m.value)
		if m.addr < addr {
			copy(p, word[addr-m.addr:])
		} else {
			copy(p[m.addr-addr:], word)
		}
	}
}

// moved says whether any move touches n bytes at addr.
func (k *Kernel) moved(addr uint64, n int) bool {
	moves := k.from(addr)
	return len(moves) > 0 && moves[0].addr < addr+uint64(n)
}
