package btf

import (
	"errors"
	"fmt"
	"math"
)

// A Kind is what a type is; the numbers are the format's.
type Kind uint8

const (
	Void Kind = iota
	Int
	Pointer
	Array
	Struct
	Union
	Enum
	Forward // a struct or union that is named but not described
	Typedef
	Volatile
	Const
	Restrict
	Func
	FuncProto
	Var
	DataSec
	Float
	DeclTag
	TypeTag
	Enum64
)

var kindNames = [...]string{
	"void", "int", "pointer", "array", "struct", "union", "enum", "forward",
	"typedef", "volatile", "const", "restrict", "func", "prototype", "var",
	"datasec", "float", "declaration tag", "type tag", "enum64",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// A Type is one type, without what it consists of: see Members, Enumerators
// and Proto.
type Type struct {
	ID   ID
	Kind Kind
	Name string // "" for an anonymous type
	Size uint32 // bytes; 0 where only the whole chain has one, see Sizeof
	Elem ID     // what is pointed to, qualified, named, repeated or returned
	Len  uint32 // elements of an Array

	Signed bool // an Int, Enum or Enum64
	Bool   bool // an Int
	Union  bool // a Forward declares a union
}

// Type describes a type.
func (s *Spec) Type(id ID) (Type, error) {
	r, err := s.record(id)
	if err != nil {
		return Type{}, err
	}
	t := Type{ID: id, Kind: r.kind()}
	if t.Name, err = s.name(r.name()); err != nil {
		return Type{}, fmt.Errorf("type %d: %w", id, err)
	}
	switch t.Kind {
	case Int:
		t.Size = r.size()
		encoding := r[typeHead+3]
		t.Signed, t.Bool = encoding&1 != 0, encoding&4 != 0
	case Enum, Enum64:
		t.Size, t.Signed = r.size(), r.flag()
	case Struct, Union, Float, DataSec:
		t.Size = r.size()
	case Pointer:
		t.Size, t.Elem = pointerSize, r.ref()
	case Array:
		t.Elem, t.Len = ID(le.Uint32(r[typeHead:])), le.Uint32(r[typeHead+8:])
	case Forward:
		t.Union = r.flag()
	default:
		t.Elem = r.ref()
	}
	return t, nil
}

// pointerSize is that of every architecture ktrap knows.
const pointerSize = 8

// Alias reports whether values of the kind look like those of its Elem.
func (k Kind) Alias() bool {
	switch k {
	case Typedef, Const, Volatile, Restrict, TypeTag:
		return true
	}
	return false
}

// Strip follows typedefs, qualifiers and tags to the type that has a shape.
func (s *Spec) Strip(id ID) (Type, error) {
	at := id
	for range maxDepth {
		r, err := s.record(at)
		if err != nil {
			return Type{}, err
		}
		if !r.kind().Alias() {
			return s.Type(at)
		}
		at = r.ref()
	}
	return Type{}, fmt.Errorf("type %d: %w", id, errDepth)
}

var errDepth = errors.New("types nest without end")

// Sizeof returns how many bytes a value of the type takes.
func (s *Spec) Sizeof(id ID) (uint32, error) {
	size, at := uint64(1), id
	for range maxDepth {
		t, err := s.Strip(at)
		if err != nil {
			return 0, err
		}
		switch t.Kind {
		case Array:
			size *= uint64(t.Len)
		case Int, Enum, Enum64, Struct, Union, Float, Pointer:
			size *= uint64(t.Size)
		default:
			return 0, fmt.Errorf("%s has no size", s.TypeString(id))
		}
		if size > math.MaxInt32 {
			return 0, fmt.Errorf("%s is larger than 2 GiB", s.TypeString(id))
		}
		if t.Kind != Array {
			return uint32(size), nil
		}
		at = t.Elem
	}
	return 0, fmt.Errorf("type %d: %w", id, errDepth)
}

// A Member is one field of a struct or union.
type Member struct {
	Name   string // "" for an anonymous struct or union, or padding
	Type   ID
	Offset uint32 // bits from the start of the struct
	Bits   uint32 // width of a bitfield, else 0
}

// Members lists the fields of a struct or union, which id may be an alias of.
func (s *Spec) Members(id ID) ([]Member, error) {
	r, err := s.shape(id, Struct, Union)
	if err != nil {
		return nil, err
	}
	members := make([]Member, r.vlen())
	for i := range members {
		if members[i], err = s.member(r, i); err != nil {
			return nil, fmt.Errorf("member %d of %s: %w", i, s.TypeString(id), err)
		}
	}
	return members, nil
}

func (s *Spec) member(r record, i int) (m Member, err error) {
	e := r.elem(i, 12)
	m.Type, m.Offset = ID(le.Uint32(e[4:])), le.Uint32(e[8:])
	if r.flag() {
		m.Bits, m.Offset = m.Offset>>24, m.Offset&0xffffff
	}
	if m.Bits > 64 {
		return m, fmt.Errorf("a bitfield of %d bits", m.Bits)
	}
	m.Name, err = s.name(le.Uint32(e))
	return m, err
}

// shape returns the record that id is an alias of, if it is one of two kinds.
func (s *Spec) shape(id ID, a, b Kind) (record, error) {
	t, err := s.Strip(id)
	if err != nil {
		return nil, err
	}
	if t.Kind != a && t.Kind != b {
		return nil, fmt.Errorf("%s is no %s", s.TypeString(id), a)
	}
	return s.record(t.ID)
}

// An Enumerator is one constant of an enum. Value holds the bits of an unsigned
// one above the largest int64.
type Enumerator struct {
	Name  string
	Value int64
}

// Enumerators lists the constants of an enum, which id may be an alias of.
func (s *Spec) Enumerators(id ID) ([]Enumerator, error) {
	r, err := s.shape(id, Enum, Enum64)
	if err != nil {
		return nil, err
	}
	list := make([]Enumerator, r.vlen())
	for i := range list {
		e := r.enumerator(i)
		list[i].Value = r.enumValue(e)
		if list[i].Name, err = s.name(le.Uint32(e)); err != nil {
			return nil, fmt.Errorf("constant %d of %s: %w", i, s.TypeString(id), err)
		}
	}
	return list, nil
}

// enumerator is the i-th constant of an enum.
func (r record) enumerator(i int) []byte {
	if r.kind() == Enum64 {
		return r.elem(i, 12)
	}
	return r.elem(i, 8)
}

// enumValue cuts the constant to the enum's size: -1 of a one-byte enum is
// stored as 0xffffffff but found in memory as 0xff.
func (r record) enumValue(e []byte) int64 {
	v := uint64(le.Uint32(e[4:]))
	if len(e) == 12 {
		v |= uint64(le.Uint32(e[8:])) << 32
	}
	shift := 64 - 8*min(r.size(), 8)
	if r.flag() {
		return int64(v<<shift) >> shift
	}
	return int64(v << shift >> shift)
}
