package ktrap

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ktrap/internal/object"
)

// set gives package variables another value to begin with.
func (x *Script) set(values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		vars, field, err := x.variable(name)
		if err != nil {
			return err
		}
		if vars.Init == nil {
			vars.Init = make([]byte, vars.ValueSize)
		}
		if err := setField(vars.Init[field.Offset:][:field.Size], field.Kind, values[name]); err != nil {
			return fmt.Errorf("set %s of %s to %q: %w", name, x.name, values[name], err)
		}
	}
	return nil
}

func (x *Script) variable(name string) (*object.Map, object.Field, error) {
	var known []string
	for i := range x.unit.Maps {
		m := &x.unit.Maps[i]
		if m.Name != object.Vars {
			continue
		}
		for _, f := range m.Fields {
			if f.Name == name {
				return m, f, nil
			}
			known = append(known, f.Name)
		}
	}
	if known == nil {
		return nil, object.Field{}, fmt.Errorf("%s has no variable %s, nor any other", x.name, name)
	}
	return nil, object.Field{}, fmt.Errorf("%s has no variable %s; there are %s", x.name, name, strings.Join(known, ", "))
}

func setField(to []byte, kind object.FieldKind, text string) error {
	var word [8]byte
	bits := 8 * min(len(to), 8)
	switch kind {
	case object.Uint, object.Pointer:
		n, err := strconv.ParseUint(text, 0, bits)
		if err != nil {
			return fmt.Errorf("it takes a number of %d bits from 0 on", bits)
		}
		binary.LittleEndian.PutUint64(word[:], n)
	case object.Int:
		n, err := strconv.ParseInt(text, 0, bits)
		if err != nil {
			return fmt.Errorf("it takes a number of %d bits", bits)
		}
		binary.LittleEndian.PutUint64(word[:], uint64(n))
	case object.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("it takes true or false")
		}
		if b {
			word[0] = 1
		}
	case object.String:
		if len(text) >= len(to) {
			return fmt.Errorf("it holds %d bytes", len(to)-1)
		}
		clear(to)
		copy(to, text)
		return nil
	default:
		return fmt.Errorf("only numbers, bools and texts can be set")
	}
	copy(to, word[:])
	return nil
}
