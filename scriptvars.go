package ktrap

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ktrap/internal/diag"
	"ktrap/internal/object"
)

// Set gives a package variable another value, written as Go does: to begin with,
// or at once if the file runs. It writes that variable only; what handlers count
// meanwhile in others stays.
func (x *Script) Set(name, text string) error {
	vars, field, err := x.variable(name)
	if err != nil {
		return err
	}
	data := make([]byte, field.Size)
	if err := setField(data, field.Kind, text); err != nil {
		return fmt.Errorf("set %s of %s to %q: %w", name, x.file.Name, text, err)
	}
	if x.maps == nil {
		if vars.Init == nil {
			vars.Init = make([]byte, vars.ValueSize)
		}
		copy(vars.Init[field.Offset:], data)
		return nil
	}
	memory, err := x.maps[object.Vars].Memory()
	if err == nil {
		_, err = memory.WriteAt(data, int64(field.Offset))
	}
	if err != nil {
		return fmt.Errorf("set %s of %s while it runs: %w", name, x.file.Name, err)
	}
	return nil
}

func (x *Script) set(values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if err := x.Set(name, values[name]); err != nil {
			return err
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
		return nil, object.Field{}, fmt.Errorf("%s has no variable %s, nor any other", x.file.Name, name)
	}
	hint := diag.DidYouMean(name, known)
	if hint == "" {
		hint = "there are " + strings.Join(known, ", ")
	}
	return nil, object.Field{}, fmt.Errorf("%s has no variable %s; %s", x.file.Name, name, hint)
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
