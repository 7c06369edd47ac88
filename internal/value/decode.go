package value

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"ktrap/internal/btf"
)

// A Decoder decodes the values of one parameter, result or member. It is
// read-only and safe for concurrent use.
type Decoder struct{ root node }

// Name is what the value is called.
func (d *Decoder) Name() string { return d.root.name }

// Type is the value's type in C's spelling.
func (d *Decoder) Type() string { return d.root.typ }

// Size is the number of bytes that a value takes in memory. The decoder also
// takes fewer, leaving out fields, and more, as of an int in a register.
func (d *Decoder) Size() int { return d.root.size }

// IsText reports whether the value is a pointer to text, so that a Str may be
// read for it.
func (d *Decoder) IsText() bool { return d.root.isText }

// AppendText appends name=value, or the value alone if it has no name.
func (d *Decoder) AppendText(dst, raw []byte, s Str) []byte {
	return d.append(appendName(dst, d.root.name), raw, s, text)
}

// AppendJSON appends the value, without its name, as JSON.
func (d *Decoder) AppendJSON(dst, raw []byte, s Str) []byte {
	return d.append(dst, raw, s, json)
}

func (d *Decoder) append(dst, raw []byte, s Str, f form) []byte {
	switch {
	case !d.root.isText || s.State == NotRead:
	case s.State != Unreadable:
		return appendString(dst, f, s.Bytes, s.State == Cut)
	default:
		if k, address, _ := d.root.scalar(raw); k == Pointer {
			return appendScalar(dst, f, NoText, address)
		}
	}
	return d.root.append(dst, raw, f)
}

// Decode returns the value as data that does not refer to raw.
func (d *Decoder) Decode(raw []byte, s Str) Value {
	v := d.root.value(raw)
	switch {
	case !d.root.isText || s.State == NotRead:
	case s.State != Unreadable:
		v.Kind, v.Text = String, string(s.Bytes)
		if s.State == Cut {
			v.More = 1
		}
	case v.Kind == Pointer:
		v.Kind = NoText
	}
	return v
}

// A Str is what a read behind a char pointer gave; the zero value is that of a
// pointer that was not followed.
type Str struct {
	Bytes []byte // without the NUL
	State StrState
}

// A StrState says how a read of text ended.
type StrState uint8

const (
	NotRead StrState = iota
	Whole
	Cut // there may have been more
	Unreadable
)

// append writes the value in the parent's bytes.
func (n *node) append(dst, parent []byte, f form) []byte {
	raw := from(parent, n.off)
	switch {
	case len(raw) == 0 && n.size > 0:
		return appendScalar(dst, f, Missing, 0)
	case n.kind == Struct:
		return n.appendStruct(dst, raw, f)
	case n.kind == Array:
		return n.appendArray(dst, raw, f)
	case n.kind == String:
		s, cut := n.chars(raw)
		return appendString(dst, f, s, cut)
	case n.kind == Raw:
		return n.appendRaw(dst, raw, f)
	}
	k, bits, name := n.scalar(raw)
	if k == Enum {
		return f.word(dst, name)
	}
	return appendScalar(dst, f, k, bits)
}

func (n *node) appendStruct(dst, raw []byte, f form) []byte {
	dst = append(dst, '{')
	shown := 0
	for i := range n.fields {
		m := &n.fields[i]
		if !m.begins(raw) {
			continue
		}
		dst = m.append(f.key(dst, shown, m.name), raw, f)
		shown++
	}
	return append(f.more(dst, shown, n.more+len(n.fields)-shown, true), '}')
}

func (n *node) appendArray(dst, raw []byte, f form) []byte {
	dst = append(dst, '[')
	shown := n.shown(raw)
	for i := range shown {
		dst = n.fields[0].append(f.comma(dst, i), raw[i*n.fields[0].size:], f)
	}
	return append(f.more(dst, shown, n.more+n.count-shown, false), ']')
}

// value is append for a Value.
func (n *node) value(parent []byte) Value {
	v := Value{Name: n.name, Type: n.typ}
	raw := from(parent, n.off)
	switch {
	case len(raw) == 0 && n.size > 0:
		return v
	case n.kind == Struct:
		n.structValue(&v, raw)
	case n.kind == Array:
		n.arrayValue(&v, raw)
	case n.kind == String:
		n.stringValue(&v, raw)
	case n.kind == Raw:
		v.Kind, v.Text = Raw, string(n.appendRaw(nil, raw, text))
	default:
		v.Kind, v.Bits, v.Text = n.scalar(raw)
	}
	return v
}

func (n *node) structValue(v *Value, raw []byte) {
	v.Kind = Struct
	for i := range n.fields {
		if n.fields[i].begins(raw) {
			v.Fields = append(v.Fields, n.fields[i].value(raw))
		}
	}
	v.More = n.more + len(n.fields) - len(v.Fields)
}

func (n *node) arrayValue(v *Value, raw []byte) {
	v.Kind = Array
	for i := range n.shown(raw) {
		v.Fields = append(v.Fields, n.fields[0].value(raw[i*n.fields[0].size:]))
	}
	v.More = n.more + n.count - len(v.Fields)
}

func (n *node) stringValue(v *Value, raw []byte) {
	s, cut := n.chars(raw)
	v.Kind, v.Text = String, string(s)
	if cut {
		v.More = 1
	}
}

func from(raw []byte, off int) []byte {
	if off > len(raw) {
		return nil
	}
	return raw[off:]
}

// begins reports whether the parent's bytes reach the member.
func (n *node) begins(parent []byte) bool { return n.off+min(n.size, 1) <= len(parent) }

// shown is how many elements raw has of those to be shown.
func (n *node) shown(raw []byte) int {
	if n.count == 0 || n.fields[0].size == 0 {
		return n.count
	}
	return min(n.count, (len(raw)+n.fields[0].size-1)/n.fields[0].size)
}

// chars returns a char array up to its NUL, if it has one.
func (n *node) chars(raw []byte) (s []byte, cut bool) {
	s = raw[:min(n.size, len(raw))]
	if end := bytes.IndexByte(s, 0); end >= 0 {
		return s[:end], false
	}
	return s, len(s) < n.size
}

// appendRaw writes the bytes as one hexadecimal number.
func (n *node) appendRaw(dst, raw []byte, f form) []byte {
	if len(raw) < n.size {
		return appendScalar(dst, f, Missing, 0)
	}
	if f == json {
		dst = append(dst, '"')
	}
	dst = append(dst, "0x"...)
	for i := n.size - 1; i >= 0; i-- {
		dst = appendHex(dst, raw[i])
	}
	if f == json {
		dst = append(dst, '"')
	}
	return dst
}

// scalar loads an integer, address or constant with its name; an enum's number
// without a name is an integer.
func (n *node) scalar(raw []byte) (k Kind, bits uint64, name string) {
	switch {
	case n.bits == 0:
		return n.kind, 0, ""
	case len(raw) < n.size:
		return Missing, 0, ""
	}
	bits = n.load(raw)
	shift := 64 - n.bits
	if n.signed {
		bits = uint64(int64(bits<<shift) >> shift)
	} else {
		bits = bits << shift >> shift
	}
	switch {
	case n.kind == Bool && bits != 0:
		return Bool, 1, ""
	case n.kind != Enum:
		return n.kind, bits, ""
	}
	if i, found := slices.BinarySearchFunc(n.names, int64(bits), byValue); found {
		return Enum, bits, n.names[i].Name
	}
	return n.number(), bits, ""
}

func byValue(e btf.Enumerator, v int64) int { return cmp.Compare(e.Value, v) }

func (n *node) load(raw []byte) uint64 {
	if n.shift == 0 {
		switch n.size {
		case 1:
			return uint64(raw[0])
		case 2:
			return uint64(binary.LittleEndian.Uint16(raw))
		case 4:
			return uint64(binary.LittleEndian.Uint32(raw))
		case 8:
			return binary.LittleEndian.Uint64(raw)
		}
	}
	bits := uint64(raw[0]) >> n.shift
	for i := 1; i < n.size; i++ {
		bits |= uint64(raw[i]) << (8*uint(i) - uint(n.shift))
	}
	return bits
}
