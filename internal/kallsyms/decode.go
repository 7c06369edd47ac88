package kallsyms

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Memory is a kernel's memory by virtual address: a live kernel's, or an image's.
type Memory interface {
	// ReadMem fills p from addr on, or says why it can't.
	ReadMem(p []byte, addr uint64) error
}

// lender is a Memory that need not copy what it has: an image's.
type lender interface {
	// Bytes returns n bytes from addr on, which nobody may change.
	Bytes(addr uint64, n int) ([]byte, error)
}

// A Layout says at which addresses a kernel keeps its arrays.
type Layout struct {
	NumSyms, Names, TokenTable, TokenIndex, Offsets uint64
	RelativeBase                                    uint64 // 0 where offsets count from their own places
}

const (
	maxArray = 64 << 20 // bytes; the names of 7.3 have 3.2 MB
	maxName  = 4 << 10  // bytes; KSYM_NAME_LEN is 512 from 6.1 on
)

// A decoder turns tokens into names and offsets into addresses.
type decoder struct {
	n       int // of symbols
	tokens  [256]string
	address func(i int, offset uint32) uint64
}

func newDecoder(mem Memory, l Layout) (*decoder, error) {
	n, err := span(mem, "kallsyms_num_syms", l.NumSyms, l.NumSyms+4)
	if err != nil {
		return nil, err
	}
	d := &decoder{n: int(binary.LittleEndian.Uint32(n))}
	// The shortest name takes two bytes, and all lie before the token table.
	if room := (l.TokenTable - l.Names) / 2; d.n == 0 || room > maxArray || uint64(d.n) > room {
		return nil, fmt.Errorf("kallsyms_num_syms: there can't be %d symbols", d.n)
	}
	if err := d.readTokens(mem, l); err != nil {
		return nil, err
	}
	return d, d.readBase(mem, l)
}

// span reads the array called name from start to end.
func span(mem Memory, name string, start, end uint64) ([]byte, error) {
	if size := end - start; size == 0 || size > maxArray {
		return nil, fmt.Errorf("%s: it can't lie from %#x to %#x", name, start, end)
	}
	p, err := read(mem, start, int(end-start))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return p, nil
}

func read(mem Memory, addr uint64, n int) ([]byte, error) {
	if l, ok := mem.(lender); ok {
		return l.Bytes(addr, n)
	}
	p := make([]byte, n)
	return p, mem.ReadMem(p, addr)
}

func (d *decoder) readTokens(mem Memory, l Layout) error {
	index, err := span(mem, "kallsyms_token_index", l.TokenIndex, l.TokenIndex+2*256)
	if err != nil {
		return err
	}
	texts, err := span(mem, "kallsyms_token_table", l.TokenTable, l.TokenIndex)
	if err != nil {
		return err
	}
	for i := range d.tokens {
		at := min(int(binary.LittleEndian.Uint16(index[2*i:])), len(texts))
		token, _, ended := bytes.Cut(texts[at:min(at+maxName, len(texts))], []byte{0})
		if !ended {
			return fmt.Errorf("kallsyms_token_table: token %d has no end", i)
		}
		d.tokens[i] = string(token)
	}
	return nil
}

func (d *decoder) readBase(mem Memory, l Layout) error {
	if l.RelativeBase == 0 {
		d.address = selfRelative(l.Offsets)
		return nil
	}
	base, err := span(mem, "kallsyms_relative_base", l.RelativeBase, l.RelativeBase+8)
	if err != nil {
		return err
	}
	end := l.Offsets + 4*uint64(d.n)
	last, err := span(mem, "kallsyms_offsets", end-4, end)
	if err != nil {
		return err
	}
	// Addresses ascend and a kernel is smaller than 2 GB, so the last offset is
	// negative only where negative offsets are the rule.
	percpu := int32(binary.LittleEndian.Uint32(last)) < 0
	d.address = baseRelative(binary.LittleEndian.Uint64(base), percpu)
	return nil
}

// addresses are those of consecutive symbols.
type addresses struct {
	decode  func(i int, offset uint32) uint64
	first   int
	offsets []byte
}

// Len returns the number of symbols.
func (a addresses) Len() int { return len(a.offsets) / 4 }

// Addr returns the address of symbol i; they ascend.
func (a addresses) Addr(i int) uint64 {
	return a.decode(a.first+i, binary.LittleEndian.Uint32(a.offsets[4*i:]))
}

func (a addresses) from(i int) addresses {
	return addresses{a.decode, a.first + i, a.offsets[4*i:]}
}

// selfRelative: from 7.0 on (a081b5789255) an offset counts from its own place.
func selfRelative(offsets uint64) func(int, uint32) uint64 {
	return func(i int, offset uint32) uint64 {
		return offsets + 4*uint64(i) + uint64(int32(offset))
	}
}

// baseRelative: an offset counts up from the base; or, on x86 up to 6.14, a
// negative one counts down from below it, and others are absolute: a percpu
// symbol's place in its area.
func baseRelative(base uint64, absolutePercpu bool) func(int, uint32) uint64 {
	return func(_ int, offset uint32) uint64 {
		switch v := int32(offset); {
		case !absolutePercpu:
			return base + uint64(offset)
		case v >= 0:
			return uint64(v)
		default:
			return base - 1 - uint64(v)
		}
	}
}

// typed appends a name's tokens put together: the type letter, then the name.
func (d *decoder) typed(buf, tokens []byte) []byte {
	for _, token := range tokens {
		if len(buf) > maxName {
			break
		}
		buf = append(buf, d.tokens[token]...)
	}
	if len(buf) == 0 {
		return append(buf, '?')
	}
	return buf
}

// symbol decodes the symbol whose address is the first of a.
func (d *decoder) symbol(tokens []byte, a addresses) Symbol {
	typed := d.typed(make([]byte, 0, 64), tokens)
	return Symbol{Name: string(typed[1:]), Addr: a.Addr(0), Size: size(a, 0), Type: typed[0]}
}

// entry returns where the tokens of the name at at start and end. It takes at
// least two bytes to be there.
func entry(names []byte, at int) (start, end int) {
	size := int(names[at])
	if size < 0x80 {
		return at + 1, at + 1 + size
	}
	// 73bbb94466fd, in 6.1: names of 128 tokens and more have two bytes of length.
	size = size&0x7f | int(names[at+1])<<7
	return at + 2, at + 2 + size
}

// within says whether the name at at lies in names whole, and is not empty.
func within(names []byte, at int) bool {
	if at+1 >= len(names) {
		return false
	}
	start, end := entry(names, at)
	return start < end && end <= len(names)
}
