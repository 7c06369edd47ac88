package build

import (
	"go/types"

	"ktrap/internal/object"
)

// field describes a value of a type for whoever reads it.
func (s *Shared) field(name string, t types.Type, at, size int) object.Field {
	f := object.Field{Name: name, Offset: at, Size: size}
	switch {
	case s.isWord(t, "stack"):
		f.Kind = object.StackID
		return f
	case s.isWord(t, "point"):
		f.Kind = object.Place
		return f
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		f.Kind = basicKind(u)
	case *types.Pointer:
		f.Kind = object.Pointer
	case *types.Array:
		f.Kind = object.Array
		elem, _ := s.size(u.Elem(), 0)
		f.Fields = []object.Field{s.field("", u.Elem(), 0, elem)}
	case *types.Struct:
		f.Kind = object.Struct
		l := s.layout(u)
		for i := range l.offsets {
			v := u.Field(i)
			f.Fields = append(f.Fields, s.field(v.Name(), v.Type(), l.offsets[i], l.sizes[i]))
		}
	}
	return f
}

func basicKind(t *types.Basic) object.FieldKind {
	switch info := t.Info(); {
	case info&types.IsString != 0:
		return object.String
	case info&types.IsBoolean != 0:
		return object.Bool
	case t.Kind() == types.UnsafePointer || t.Kind() == types.Uintptr:
		return object.Pointer
	case info&types.IsUnsigned != 0:
		return object.Uint
	}
	return object.Int
}
