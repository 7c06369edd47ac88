package ktrap

import (
	"fmt"
	"reflect"
	"strings"

	"ktrap/internal/value"
)

// ReadMap reads a map of a handler file as it stands, in the types of Go that the
// file gave it: numbers, bools, strings, arrays, and structs by the names of their
// fields, whatever case they are written in. What does not fit is an error.
func ReadMap[K comparable, V any](x *Script, name string) (map[K]V, error) {
	t, err := x.table(name)
	if err != nil {
		return nil, err
	}
	all := make(map[K]V, len(t.Entries))
	for _, e := range t.Entries {
		var key K
		var v V
		if err := assign(reflect.ValueOf(&key).Elem(), e.Key); err != nil {
			return nil, fmt.Errorf("read a key of the map %s: %w", name, err)
		}
		if err := assign(reflect.ValueOf(&v).Elem(), e.Value); err != nil {
			return nil, fmt.Errorf("read a value of the map %s: %w", name, err)
		}
		all[key] = v
	}
	return all, nil
}

// ReadVar reads a variable of a handler file as it stands, as ReadMap does.
func ReadVar[V any](x *Script, name string) (v V, err error) {
	t, err := x.table(name)
	if err != nil {
		return v, err
	}
	if t.Value == nil {
		return v, fmt.Errorf("read %s of %s: it is no plain variable; see Tables", name, x.file.Name)
	}
	if err := assign(reflect.ValueOf(&v).Elem(), *t.Value); err != nil {
		return v, fmt.Errorf("read the variable %s: %w", name, err)
	}
	return v, nil
}

func (x *Script) table(name string) (Table, error) {
	tables, err := x.Tables()
	if err != nil {
		return Table{}, err
	}
	var known []string
	for _, t := range tables {
		if t.Name == name {
			return t, nil
		}
		known = append(known, t.Name)
	}
	return Table{}, fmt.Errorf("%s has no variable %s; there are: %s", x.file.Name, name, strings.Join(known, ", "))
}

// assign gives a value to a variable of Go.
func assign(to reflect.Value, v Value) error {
	fits := true
	switch to.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		fits = v.Kind == value.Int && !to.OverflowInt(int64(v.Bits)) ||
			number(v.Kind) && int64(v.Bits) >= 0 && !to.OverflowInt(int64(v.Bits))
		if fits {
			to.SetInt(int64(v.Bits))
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		fits = number(v.Kind) && !to.OverflowUint(v.Bits) || v.Kind == value.Int && int64(v.Bits) >= 0 && !to.OverflowUint(v.Bits)
		if fits {
			to.SetUint(v.Bits)
		}
	case reflect.Bool:
		if fits = v.Kind == value.Bool; fits {
			to.SetBool(v.Bits != 0)
		}
	case reflect.String:
		if fits = v.Kind == value.String || v.Kind == value.Enum; fits {
			to.SetString(v.Text)
		}
	case reflect.Array:
		return assignArray(to, v)
	case reflect.Struct:
		return assignStruct(to, v)
	default:
		fits = false
	}
	if !fits {
		return fmt.Errorf("%v does not fit in a %v", v, to.Type())
	}
	return nil
}

func number(k value.Kind) bool {
	return k == value.Uint || k == value.Pointer || k == value.Code || k == value.Enum
}

func assignArray(to reflect.Value, v Value) error {
	if v.Kind != value.Array || len(v.Fields) != to.Len() {
		return fmt.Errorf("%v does not fit in a %v", v, to.Type())
	}
	for i, e := range v.Fields {
		if err := assign(to.Index(i), e); err != nil {
			return err
		}
	}
	return nil
}

func assignStruct(to reflect.Value, v Value) error {
	if v.Kind != value.Struct || len(v.Fields) != to.NumField() {
		return fmt.Errorf("%v does not fit in a %v: each field of the one has to be in the other", v, to.Type())
	}
	for _, f := range v.Fields {
		at, ok := to.Type().FieldByNameFunc(func(name string) bool { return strings.EqualFold(name, f.Name) })
		if !ok || !at.IsExported() {
			return fmt.Errorf("%v has no exported field for %s", to.Type(), f.Name)
		}
		if err := assign(to.FieldByIndex(at.Index), f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}
