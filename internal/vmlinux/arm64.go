package vmlinux

import (
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
	k.findRelocations()
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
