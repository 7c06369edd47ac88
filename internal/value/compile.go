package value

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"ktrap/internal/btf"
)

// Limits on what one value may unfold into.
const (
	maxElements = 16   // shown of an array
	maxFields   = 1024 // shown in all
	maxDepth    = 32   // of structs within structs
)

// A node decodes one value of a type. The node of an array has one field, the
// element.
type node struct {
	name, typ string
	kind      Kind
	off, size int   // bytes, from the start of the parent
	shift     uint8 // of a bitfield
	bits      uint8 // of an integer or address
	signed    bool
	isText    bool             // a pointer to char
	names     []btf.Enumerator // by ascending value
	fields    []node
	count     int // elements shown of an array
	more      int // fields or elements that are not shown
}

// Compile prepares to decode values of a type; name is what they are called.
// Functions, and structs that are only declared, have no values.
func Compile(s *btf.Spec, id btf.ID, name string) (*Decoder, error) {
	return CompilePath(s, btf.Path{Type: id}, name)
}

// CompilePath is Compile for what a path leads to, which may be a bitfield.
func CompilePath(s *btf.Spec, p btf.Path, name string) (*Decoder, error) {
	d := &Decoder{root: node{name: name}}
	c := compiler{spec: s, left: maxFields, times: 1}
	if err := c.fill(&d.root, p.Type); err != nil {
		return nil, fmt.Errorf("decode %s: %w", name, err)
	}
	d.root.bitfield(p.Shift, p.Bits)
	return d, nil
}

// A compiler keeps count of the output that its nodes may cause: a struct 16
// times in an array takes 16 times its fields from what is left.
type compiler struct {
	spec        *btf.Spec
	left, times int
	depth       int
}

func (c *compiler) fill(n *node, id btf.ID) error {
	c.left -= c.times
	n.typ = c.spec.TypeString(id)
	t, err := c.spec.Strip(id)
	if err != nil {
		return err
	}
	n.size = int(t.Size)
	switch t.Kind {
	case btf.Void:
		n.kind = Void
	case btf.Int, btf.Enum, btf.Enum64:
		return c.integer(n, t)
	case btf.Pointer:
		n.kind, n.bits = c.pointer(t.Elem), 64
		n.isText = c.spec.CharPointer(id)
	case btf.Float:
		n.kind = Raw
	case btf.Array:
		return c.array(n, t)
	case btf.Struct, btf.Union:
		n.kind = Struct
		return c.members(n, t.ID, 0)
	default:
		return fmt.Errorf("%s has no value", n.typ)
	}
	return nil
}

func (c *compiler) integer(n *node, t btf.Type) (err error) {
	if t.Size == 0 || t.Size > 8 {
		n.kind = Raw
		return nil
	}
	n.bits, n.signed = uint8(8*t.Size), t.Signed
	n.kind = n.number()
	switch {
	case t.Kind != btf.Int:
		n.kind = Enum
		n.names, err = c.constants(t.ID)
	case t.Bool:
		n.kind = Bool
	}
	return err
}

func (n *node) number() Kind {
	if n.signed {
		return Int
	}
	return Uint
}

// constants sorts an enum's constants; of several with one value the first wins.
func (c *compiler) constants(id btf.ID) ([]btf.Enumerator, error) {
	names, err := c.spec.Enumerators(id)
	slices.SortStableFunc(names, func(a, b btf.Enumerator) int { return cmp.Compare(a.Value, b.Value) })
	return slices.CompactFunc(names, func(a, b btf.Enumerator) bool { return a.Value == b.Value }), err
}

func (c *compiler) pointer(to btf.ID) Kind {
	if t, err := c.spec.Strip(to); err == nil && t.Kind == btf.FuncProto {
		return Code
	}
	return Pointer
}

func (c *compiler) array(n *node, t btf.Type) (err error) {
	size, err := c.spec.Sizeof(t.ID)
	if err != nil {
		return err
	}
	n.size = int(size)
	if e, err := c.spec.Strip(t.Elem); err == nil && e.Char() {
		n.kind = String
		return nil
	}
	n.kind = Array
	n.count = min(int(t.Len), maxElements, max(c.left/c.times, 0))
	n.more = int(t.Len) - n.count
	if n.count == 0 {
		return nil
	}
	c.times *= n.count
	n.fields = make([]node, 1)
	err = c.fill(&n.fields[0], t.Elem)
	c.times /= n.count
	return err
}

// members adds the fields of a struct that begins base bits into n. Anonymous
// ones dissolve into it; those without bytes, as marks of cache lines, are left
// out.
func (c *compiler) members(n *node, id btf.ID, base uint32) error {
	if c.depth == maxDepth {
		return errors.New("structs nest without end")
	}
	c.depth++
	defer func() { c.depth-- }()
	list, err := c.spec.Members(id)
	for _, m := range list {
		m.Offset += base
		switch inner, anonymous := c.anonymous(m); {
		case c.left < c.times:
			n.more++
		case anonymous:
			c.left--
			if err := c.members(n, inner, m.Offset); err != nil {
				return err
			}
		case m.Name != "": // else it is padding
			if f := c.member(m); f.size > 0 || f.kind == Missing {
				n.fields = append(n.fields, f)
			}
		}
	}
	return err
}

func (c *compiler) anonymous(m btf.Member) (btf.ID, bool) {
	if m.Name != "" {
		return 0, false
	}
	t, err := c.spec.Strip(m.Type)
	return t.ID, err == nil && (t.Kind == btf.Struct || t.Kind == btf.Union)
}

// member makes the node of a field; one whose type has no value is Missing.
func (c *compiler) member(m btf.Member) node {
	n := node{name: m.Name, off: int(m.Offset / 8)}
	if err := c.fill(&n, m.Type); err != nil {
		return node{name: m.Name, typ: n.typ, off: n.off}
	}
	n.bitfield(m.Offset%8, m.Bits)
	return n
}

// bitfield narrows an integer.
func (n *node) bitfield(shift, bits uint32) {
	if bits == 0 || n.bits == 0 {
		return
	}
	n.shift, n.bits = uint8(shift%8), uint8(min(bits, 64))
	n.size = (int(n.shift) + int(n.bits) + 7) / 8
}

// Word decodes a register of which nothing is known, as an address.
func Word(name string) *Decoder {
	return &Decoder{root: node{name: name, typ: "unsigned long", kind: Pointer, size: 8, bits: 64}}
}
