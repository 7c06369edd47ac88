package dwarfline

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
)

// span is a stretch of code and the offset of its unit in .debug_info.
type span struct{ low, high, unit uint64 }

var errCut = errors.New("damaged DWARF: it is cut off")

// reader takes numbers from the front of a section; behind its end all are 0 and
// cut is set.
type reader struct {
	data  []byte
	order binary.ByteOrder
	cut   bool
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.data, r.cut = nil, true
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

// uint reads a number of 1, 2, 4 or 8 bytes.
func (r *reader) uint(size int) uint64 {
	b := r.bytes(uint64(size))
	if b == nil {
		return 0
	}
	switch size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(r.order.Uint16(b))
	case 4:
		return uint64(r.order.Uint32(b))
	}
	return r.order.Uint64(b)
}

// uleb reads a number of seven bits a byte.
func (r *reader) uleb() (n uint64) {
	for shift := 0; ; shift += 7 {
		b := r.uint(1)
		n |= (b & 0x7f) << shift
		if b < 0x80 {
			return n
		}
	}
}

// length reads a length and says how wide offsets are behind it.
func (r *reader) length() (n uint64, wide int) {
	if n = r.uint(4); n != 0xffffffff {
		return n, 4
	}
	return r.uint(8), 8
}

// unitOf finds the unit that holds an address.
func (f *File) unitOf(addr uint64) (uint64, error) {
	if unit, ok := f.arange(addr); ok {
		return unit, nil
	}
	// The kernel's sections for code that must not be traced or is run once are
	// missing in the aranges of some units, but not in the units themselves.
	if f.spans == nil {
		f.spans = f.allSpans()
	}
	i, _ := slices.BinarySearchFunc(f.spans, addr, func(s span, addr uint64) int { return cmp.Compare(s.low, addr+1) })
	if i == 0 || addr >= f.spans[i-1].high {
		return 0, ErrNone
	}
	return f.spans[i-1].unit, nil
}

// arange looks an address up in .debug_aranges: for each unit
//
//	length, version 2 (u16), the unit's offset, address size, segment size (u8)
//	padding to twice the address size
//	start, size ... 0, 0
func (f *File) arange(addr uint64) (unit uint64, ok bool) {
	all := reader{data: f.sections[".debug_aranges"], order: f.order}
	for len(all.data) > 0 {
		n, wide := all.length()
		set := reader{data: all.bytes(n), order: f.order}
		set.uint(2)
		unit := set.uint(wide)
		size, segment := int(set.uint(1)), set.uint(1)
		if size != 8 || segment != 0 {
			continue
		}
		header := 4 + 2 + 4 + 2
		if wide == 8 {
			header = 12 + 2 + 8 + 2
		}
		set.bytes(uint64(-header & 15))
		if holds(set.data, f.order, addr) {
			return unit, true
		}
	}
	return 0, false
}

// holds looks for an address in pairs of start and size. This loop reads the
// whole of .debug_aranges at every question: it is the one that must be fast.
func holds(pairs []byte, order binary.ByteOrder, addr uint64) bool {
	for ; len(pairs) >= 16; pairs = pairs[16:] {
		start := order.Uint64(pairs)
		if addr >= start && addr-start < order.Uint64(pairs[8:]) {
			return true
		}
	}
	return false
}

// units yields the offset and bytes of each unit.
func (f *File) units() iter.Seq2[uint64, []byte] {
	return func(yield func(uint64, []byte) bool) {
		info := f.sections[".debug_info"]
		for at := uint64(0); ; {
			body, err := f.unitBytes(at)
			if err != nil || !yield(at, body) {
				return
			}
			if at += uint64(len(body)); at >= uint64(len(info)) {
				return
			}
		}
	}
}

// unitBytes is one unit, from its header on.
func (f *File) unitBytes(at uint64) ([]byte, error) {
	info := f.sections[".debug_info"]
	if at >= uint64(len(info)) {
		return nil, fmt.Errorf("unit at %#x: %w", at, errCut)
	}
	r := reader{data: info[at:], order: f.order}
	n, wide := r.length()
	header := uint64(4)
	if wide == 8 {
		header = 12
	}
	if r.bytes(n); r.cut || n == 0 {
		return nil, fmt.Errorf("unit at %#x: %w", at, errCut)
	}
	return info[at : at+header+n], nil
}

// allSpans asks every unit what code it has, which takes a second for a kernel.
func (f *File) allSpans() []span {
	spans := []span{}
	for at := range f.units() {
		u, err := f.open(at)
		if err != nil {
			continue
		}
		ranges, _ := u.ranges(u.root)
		for _, r := range ranges {
			spans = append(spans, span{r[0], r[1], at})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.low, b.low) })
	return spans
}
