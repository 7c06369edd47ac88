package kallsyms

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Locate finds the arrays of a kernel that tells nobody where they are: those up
// to 5.19 (5fd8fea935a1). There they lie together in this order, each at a
// multiple of 8:
//
//	offsets, relative_base, num_syms, names, markers, token_table, token_index
//
// It takes a page here and there until one looks like offsets, which steadily
// rise or fall over hundreds of KB, and reads on from it for relative_base: the
// address of the first symbol. The rest follows and must agree to the last byte.
// The kernel lies from start to end; its first symbol at most a few MB off start.
func Locate(mem Memory, start, end uint64) (Layout, error) {
	page := make([]byte, pageSize)
	for at := start; at < end && end-at >= pageSize; at += stride {
		if err := mem.ReadMem(page, at); err != nil {
			return Layout{}, fmt.Errorf("search for kallsyms: %w", err)
		}
		if !steady(page) {
			continue
		}
		if l, ok := locateFrom(mem, at, start); ok {
			return l, nil
		}
	}
	return Layout{}, errors.New("search for kallsyms: it is nowhere in the kernel")
}

const (
	pageSize = 4 << 10
	stride   = 128 << 10 // 5.10 has 390 KB of offsets
	// maxOffsets is how far behind some offset relative_base may be.
	maxOffsets = 1 << 20
	// nearby is how far the first symbol may be from the start.
	nearby = 16 << 20
)

// steady says whether the words of a page rise, or fall, in small steps.
func steady(page []byte) bool {
	up, down := 0, 0
	last := binary.LittleEndian.Uint32(page)
	for p := page[4:]; len(p) > 0; p = p[4:] {
		next := binary.LittleEndian.Uint32(p)
		switch step := int32(next - last); {
		case 0 < step && step < nearby:
			up++
		case -nearby < step && step < 0:
			down++
		case step != 0:
			return false
		}
		last = next
	}
	return min(up, down) == 0 && up+down > len(page)/16
}

// locateFrom looks behind at for relative_base and all that follows it.
func locateFrom(mem Memory, at, start uint64) (Layout, bool) {
	p := make([]byte, maxOffsets)
	if mem.ReadMem(p, at) != nil {
		return Layout{}, false
	}
	for i := 0; i+12 <= len(p); i += 8 {
		base := binary.LittleEndian.Uint64(p[i:])
		if base-start+nearby > 2*nearby {
			continue
		}
		n := uint64(binary.LittleEndian.Uint32(p[i+8:]))
		l := Layout{RelativeBase: at + uint64(i), NumSyms: at + uint64(i) + 8, Names: at + uint64(i) + 16}
		l.Offsets = (l.RelativeBase - 4*n) &^ 7
		if start <= l.Offsets && l.Offsets <= at && locateTokens(mem, &l, int(n)) {
			return l, true
		}
	}
	return Layout{}, false
}

// locateTokens walks over the names, whose places the markers must repeat, to
// the tokens, whose places the index must repeat.
func locateTokens(mem Memory, l *Layout, n int) bool {
	const average = 20 // bytes of a name at most; 5.10 has 12
	p, err := span(mem, "kallsyms_names", l.Names, l.Names+average*uint64(n))
	if err != nil {
		return false
	}
	marks, at, err := walk(p, n)
	if err != nil {
		return false
	}
	at = (at + 7) &^ 7
	for _, mark := range marks {
		if at+4 > len(p) || binary.LittleEndian.Uint32(p[at:]) != uint32(mark) {
			return false
		}
		at += 4
	}
	table := (at + 7) &^ 7
	l.TokenTable = l.Names + uint64(table)
	var index []byte
	for at = table; len(index) < 2*256; {
		size := bytes.IndexByte(p[min(at, len(p)):], 0)
		if size < 0 {
			return false
		}
		index = binary.LittleEndian.AppendUint16(index, uint16(at-table))
		at += size + 1
	}
	at = (at + 7) &^ 7
	l.TokenIndex = l.Names + uint64(at)
	return bytes.HasPrefix(p[min(at, len(p)):], index)
}
