package value

import (
	"bytes"
	"encoding/binary"

	"ktrap/internal/object"
)

// OfField is the value of a field of a handler's record, key or map. Names of
// enumerators are the caller's to add.
func OfField(f object.Field, data []byte) Value {
	v := Value{Name: f.Name}
	if f.Offset+f.Size > len(data) {
		return v // Missing
	}
	data = data[f.Offset:][:f.Size]
	switch f.Kind {
	case object.Struct:
		v.Kind = Struct
		for _, part := range f.Fields {
			v.Fields = append(v.Fields, OfField(part, data))
		}
	case object.Array:
		v.Kind = Array
		element := f.Fields[0]
		for element.Offset = 0; element.Size > 0 && element.Offset+element.Size <= len(data); element.Offset += element.Size {
			v.Fields = append(v.Fields, OfField(element, data))
		}
	case object.String:
		text, _, _ := bytes.Cut(data, []byte{0})
		v.Kind, v.Text = String, string(text)
	case object.Stack, object.UserStack:
		v.Kind = Array
		for _, addr := range addresses(data) {
			v.Fields = append(v.Fields, Value{Kind: Code, Bits: addr})
		}
	default:
		v.Kind, v.Bits = scalar(f.Kind, data)
	}
	return v
}

// addresses are those of a stack: a size in bytes, or an error below zero, and
// then as many.
func addresses(data []byte) (all []uint64) {
	if len(data) < 8 {
		return nil
	}
	size, data := int64(binary.LittleEndian.Uint64(data)), data[8:]
	for ; size >= 8 && len(data) >= 8; size, data = size-8, data[8:] {
		all = append(all, binary.LittleEndian.Uint64(data))
	}
	return all
}

func scalar(k object.FieldKind, data []byte) (Kind, uint64) {
	var word [8]byte
	copy(word[:], data)
	bits := binary.LittleEndian.Uint64(word[:])
	switch k {
	case object.Int, object.StackID:
		shift := 64 - 8*min(len(data), 8)
		return Int, uint64(int64(bits<<shift) >> shift)
	case object.Bool:
		return Bool, bits & 1
	case object.Pointer:
		return Pointer, bits
	}
	return Uint, bits
}
