package kallsyms

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// image is memory from one address on.
type image struct {
	addr  uint64
	bytes []byte
}

func (m image) ReadMem(p []byte, addr uint64) error {
	if addr < m.addr || addr-m.addr > uint64(len(m.bytes)) || copy(p, m.bytes[addr-m.addr:]) < len(p) {
		return fmt.Errorf("%d bytes at %#x are not in the image", len(p), addr)
	}
	return nil
}

// An addressing is a way of writing addresses that some kernels have.
type addressing int

const (
	percpu       addressing = iota // x86 up to 6.14
	unsigned                       // arm64 up to 6.19, x86 from 6.15 to 6.19
	selfRelating                   // from 7.0 on
)

// An order is how some kernels lay out the arrays.
type order struct {
	name       string
	addressing addressing
	offsets    bool // lie before the names
	seqs       bool // exist, and lie behind the markers if offsets is set
	align      int
}

var orders = []order{
	{name: "5.10", addressing: percpu, offsets: true, align: 8},
	{name: "5.10 arm64", addressing: unsigned, offsets: true, align: 8},
	{name: "6.1", addressing: percpu, offsets: true, seqs: true, align: 8},
	{name: "6.12", addressing: percpu, seqs: true, align: 8},
	{name: "6.16", addressing: unsigned, seqs: true, align: 8},
	{name: "7.3", addressing: selfRelating, seqs: true, align: 4},
}

// encode lays out the symbols, which ascend, as a kernel of that order does.
func encode(o order, at uint64, syms []Symbol) (image, Layout) {
	e := encoder{order: o, at: at, syms: syms}
	e.compress()
	if o.offsets {
		e.putOffsets()
	}
	e.l.NumSyms = e.put(binary.LittleEndian.AppendUint32(nil, uint32(len(syms))))
	e.putNames()
	if o.seqs && o.offsets {
		e.putSeqs()
	}
	e.putTokens()
	if !o.offsets {
		e.putOffsets()
		if o.seqs {
			e.putSeqs()
		}
	}
	return image{at, e.out}, e.l
}

type encoder struct {
	order
	at     uint64
	syms   []Symbol
	out    []byte
	l      Layout
	tokens [256]string
	names  [][]byte
}

// put appends an array at the order's alignment and returns its address.
func (e *encoder) put(array []byte) uint64 {
	for len(e.out)%e.align != 0 {
		e.out = append(e.out, 0)
	}
	addr := e.at + uint64(len(e.out))
	e.out = append(e.out, array...)
	return addr
}

// compress gives the bytes that no name uses to the most frequent pairs.
func (e *encoder) compress() {
	for _, s := range e.syms {
		name := append([]byte{s.Type}, s.Name...)
		for _, c := range name {
			e.tokens[c] = string(c)
		}
		e.names = append(e.names, name)
	}
	for c := '0'; c <= '9'; c++ { // the kernel's table always has them
		e.tokens[c] = string(c)
	}
	for token := range e.tokens {
		if e.tokens[token] != "" {
			continue
		}
		pair := e.bestPair()
		if pair == nil || token > 0x80 { // half of the tokens are enough
			break
		}
		e.tokens[token] = e.tokens[pair[0]] + e.tokens[pair[1]]
		for i := range e.names {
			e.names[i] = bytes.ReplaceAll(e.names[i], pair, []byte{byte(token)})
		}
	}
}

func (e *encoder) bestPair() []byte {
	var counts [1 << 16]int
	best := uint16(0)
	for _, name := range e.names {
		for i := range len(name) - 1 {
			pair := binary.BigEndian.Uint16(name[i:])
			counts[pair]++
			if c := counts[pair]; c > counts[best] || c == counts[best] && pair < best {
				best = pair
			}
		}
	}
	if counts[best] < 2 {
		return nil
	}
	return binary.BigEndian.AppendUint16(nil, best)
}

func (e *encoder) putNames() {
	var names, marks []byte
	for i, name := range e.names {
		if i%markEvery == 0 {
			marks = binary.LittleEndian.AppendUint32(marks, uint32(len(names)))
		}
		if len(name) < 0x80 {
			names = append(names, byte(len(name)))
		} else {
			names = append(names, byte(len(name)|0x80), byte(len(name)>>7))
		}
		names = append(names, name...)
	}
	e.l.Names = e.put(names)
	e.put(marks)
}

func (e *encoder) putTokens() {
	var texts, index []byte
	for _, token := range e.tokens {
		index = binary.LittleEndian.AppendUint16(index, uint16(len(texts)))
		texts = append(append(texts, token...), 0)
	}
	e.l.TokenTable = e.put(texts)
	e.l.TokenIndex = e.put(index)
}

func (e *encoder) putOffsets() {
	start := e.put(nil)
	base := e.base()
	var offsets []byte
	for i, s := range e.syms {
		offset := s.Addr - base
		switch {
		case e.addressing == selfRelating:
			offset = s.Addr - (start + 4*uint64(i))
		case e.addressing == percpu && s.Addr < 1<<31:
			offset = s.Addr
		case e.addressing == percpu:
			offset = base - 1 - s.Addr
		}
		offsets = binary.LittleEndian.AppendUint32(offsets, uint32(offset))
	}
	e.l.Offsets = e.put(offsets)
	if e.addressing != selfRelating {
		e.l.RelativeBase = e.put(binary.LittleEndian.AppendUint64(nil, base))
	}
}

// base returns the lowest address that is not absolute.
func (e *encoder) base() uint64 {
	i := slices.IndexFunc(e.syms, func(s Symbol) bool { return s.Addr >= 1<<31 })
	return e.syms[max(i, 0)].Addr
}

func (e *encoder) putSeqs() {
	var seqs []byte
	for _, i := range e.byName() {
		seqs = append(seqs, byte(i>>16), byte(i>>8), byte(i))
	}
	e.put(seqs)
}

func (e *encoder) byName() []int {
	seqs := make([]int, len(e.syms))
	for i := range seqs {
		seqs[i] = i
	}
	slices.SortStableFunc(seqs, func(a, b int) int { return cmp.Compare(e.syms[a].Name, e.syms[b].Name) })
	return seqs
}
