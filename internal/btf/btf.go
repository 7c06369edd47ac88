// Package btf reads the kernel's own description of its types and functions
// (BTF) where it lies: names, layouts and prototypes are decoded when they are
// asked for, and what is never asked for is never touched. It promises an
// error, not a panic or an endless loop, for bytes that are cut short or lie,
// and it never opens a file: it is given bytes, which must stay mapped and
// unchanged as long as the Spec is used.
//
// The bytes, little endian; a split BTF (a module's) continues the type ids
// and the string offsets of its base (the kernel's):
//
//	header   u16 magic eb9f, u8 version 1, u8 flags, u32 header length,
//	         u32 offset and length of the types, of the strings
//	         and, in long headers, of the layout; from the header's end
//	types    id 1, 2, 3 …: u32 name, u32 info, u32 size or type, then what
//	         the kind calls for: one fixed part and count elements
//	         info = flag 1 | kind 7 | count 24 bits, high to low
//	strings  NUL-terminated; offset 0 is the empty string
//	layout   per kind, from 0: u8 fixed part, u8 element, u16 flags
//
// Records differ in length, so one pass over the types notes where each begins:
// 4 bytes a type, the only large allocation. Names, as many as are wanted at once,
// are found by a second pass that looks first at what each type's name begins with.
// Two passes over a kernel's BTF cost less than a search of its strings, and far
// less than a map of its names. What was asked for is kept.
package btf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
)

// An ID names a type within one BTF and its bases. 0 is void. The ID of a
// function is what the kernel takes as attach_btf_id.
type ID uint32

// A Spec is one BTF. Its methods look up names in this BTF only; the base's
// names are asked of the base. It is read-only and safe for concurrent use.
type Spec struct {
	base    *Spec
	first   ID     // id of the first type
	types   []byte // the type section
	starts  []uint32
	strings []byte // the string section
	strBase uint32 // offset of the first string
	err     error
	answers sync.Map // IDs by name, and enumerators
}

var le = binary.LittleEndian

const (
	magic     = 0xeb9f
	shortHead = 24 // bytes of a header without a layout
	longHead  = 32
	typeHead  = 12
	// maxDepth bounds chains of types, as the kernel's own checker does.
	maxDepth = 32
)

// Parse indexes data, which is a split BTF if base is not nil. It fails if a
// section or a type reaches outside its bounds. A kind of type from a newer
// kernel is no failure: see Err.
func Parse(data []byte, base *Spec) (*Spec, error) {
	s := &Spec{base: base, first: 1}
	if base != nil {
		if base.err != nil {
			return nil, fmt.Errorf("read split BTF: its base: %w", base.err)
		}
		s.first = base.first + ID(base.count())
		s.strBase = base.strBase + uint32(len(base.strings))
	}
	layout, err := s.sections(data)
	if err != nil {
		return nil, fmt.Errorf("read BTF: %w", err)
	}
	if err := s.index(sizesWith(layout)); err != nil {
		return nil, fmt.Errorf("read BTF: %w", err)
	}
	return s, nil
}

// Err is nil if every type could be read. Otherwise it names the kind that this
// package does not know, and the type at which reading stopped; types of lower
// ids can be used.
func (s *Spec) Err() error { return s.err }

// Base is the BTF that s continues, the kernel's; nil if s continues none.
func (s *Spec) Base() *Spec { return s.base }

// First is the first of its own types; those below are its base's.
func (s *Spec) First() ID { return s.first }

// sections cuts data by its header and returns the layout.
func (s *Spec) sections(data []byte) (layout []byte, err error) {
	if len(data) < shortHead {
		return nil, fmt.Errorf("%d bytes are no header", len(data))
	}
	switch m := le.Uint16(data); {
	case m == 0x9feb:
		return nil, errors.New("big-endian")
	case m != magic:
		return nil, fmt.Errorf("magic %#04x instead of %#04x", m, magic)
	case data[2] != 1:
		return nil, fmt.Errorf("version %d instead of 1", data[2])
	}
	head := le.Uint32(data[4:])
	if head < shortHead || uint64(head) > uint64(len(data)) {
		return nil, fmt.Errorf("header of %d bytes in %d", head, len(data))
	}
	body := data[head:]
	if s.types, err = section(body, "types", data[8:]); err != nil {
		return nil, err
	}
	if s.strings, err = section(body, "strings", data[16:]); err != nil {
		return nil, err
	}
	if s.base == nil && (len(s.strings) == 0 || s.strings[0] != 0) {
		return nil, errors.New("the strings continue those of another BTF, which was not given")
	}
	if head < longHead {
		return nil, nil
	}
	return section(body, "layout", data[24:])
}

func section(body []byte, name string, at []byte) ([]byte, error) {
	off, n := uint64(le.Uint32(at)), uint64(le.Uint32(at[4:]))
	if off+n > uint64(len(body)) {
		return nil, fmt.Errorf("%s end at byte %d of %d", name, off+n, len(body))
	}
	return body[off : off+n], nil
}

// A size is how long the records of one kind are: fixed, with the head, and
// elem for each that is counted.
type size struct{ fixed, elem uint32 }

// endless is the size of an unknown kind: the index ends there.
const endless = math.MaxUint32

// kindMask is the field of the kind, and the largest one that fits.
const kindMask = 0x7f

// sizesWith adds to the kinds known here those that only the layout describes.
func sizesWith(layout []byte) *[kindMask + 1]size {
	sizes := [kindMask + 1]size{
		Int: {16, 0}, Pointer: {12, 0}, Array: {24, 0}, Struct: {12, 12}, Union: {12, 12},
		Enum: {12, 8}, Forward: {12, 0}, Typedef: {12, 0}, Volatile: {12, 0}, Const: {12, 0},
		Restrict: {12, 0}, Func: {12, 0}, FuncProto: {12, 8}, Var: {16, 0}, DataSec: {12, 12},
		Float: {12, 0}, DeclTag: {16, 0}, TypeTag: {12, 0}, Enum64: {12, 12},
	}
	for k := range sizes {
		switch at := 4 * k; {
		case sizes[k].fixed > 0:
		case at+4 <= len(layout) && k > int(Enum64):
			sizes[k] = size{typeHead + uint32(layout[at]), uint32(layout[at+1])}
		default:
			sizes[k].fixed = endless
		}
	}
	return &sizes
}

// index notes where each type begins and, last, where they end. Its loop is
// most of what opening a kernel's BTF costs, so it checks nothing: a type that
// reaches too far ends it.
func (s *Spec) index(sizes *[kindMask + 1]size) error {
	types, off := s.types, 0
	// 25 bytes a type is the mean of the kernels 5.10 to 7.3.
	starts := make([]uint32, 0, len(types)/24+2)
	for off+typeHead <= len(types) {
		starts = append(starts, uint32(off))
		head := le.Uint64(types[off : off+8 : off+8])
		z := &sizes[head>>56&kindMask]
		off += int(z.fixed) + int(z.elem)*int(head>>32&0xffffff)
	}
	if off <= len(types) {
		starts = append(starts, uint32(off))
	}
	s.starts = starts
	if off != len(types) {
		return s.stop(sizes)
	}
	return nil
}

// stop tells why the index ended at the type that began last.
func (s *Spec) stop(sizes *[kindMask + 1]size) error {
	id := s.first + ID(s.count())
	rest := record(s.types[s.starts[s.count()]:])
	if len(rest) < typeHead || sizes[rest.kind()].fixed != endless {
		return fmt.Errorf("type %d reaches past the %d bytes that are left of the types", id, len(rest))
	}
	s.err = fmt.Errorf("type %d is of the unknown kind %d: no type from there on can be read", id, rest.kind())
	return nil
}

// count is the number of types that can be read.
func (s *Spec) count() int { return len(s.starts) - 1 }

// A record is one type as it lies there, extent checked.
type record []byte

func (r record) name() uint32 { return le.Uint32(r) }
func (r record) kind() Kind   { return Kind(le.Uint32(r[4:]) >> 24 & kindMask) }
func (r record) vlen() int    { return int(le.Uint32(r[4:]) & 0xffffff) }
func (r record) flag() bool   { return r[7]&0x80 != 0 }
func (r record) size() uint32 { return le.Uint32(r[8:]) }
func (r record) ref() ID      { return ID(le.Uint32(r[8:])) }

// elem is the i-th element of n bytes.
func (r record) elem(i, n int) []byte { return r[typeHead+i*n:][:n] }

var void = make(record, typeHead)

func (s *Spec) record(id ID) (record, error) {
	if id == 0 {
		return void, nil
	}
	if id < s.first {
		return s.base.record(id)
	}
	i := int(id - s.first)
	if i >= s.count() {
		if s.err != nil {
			return nil, s.err
		}
		return nil, fmt.Errorf("type %d is past the last, %d", id, s.first+ID(s.count())-1)
	}
	return s.at(i), nil
}
