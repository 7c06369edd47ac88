package ktrap

import (
	"reflect"
	"strings"
	"testing"

	"ktrap/internal/value"
)

func TestAValueIsAssignedOrRefused(t *testing.T) {
	type key struct {
		Comm string
		Port uint16
	}
	number := func(n uint64) Value { return Value{Kind: value.Uint, Bits: n} }
	pair := Value{Kind: value.Struct, Fields: []Value{
		{Name: "comm", Kind: value.String, Text: "dd"}, {Name: "port", Kind: value.Uint, Bits: 80},
	}}
	for _, c := range []struct {
		value Value
		to    any // of the type that it goes to; what is wanted
		err   string
	}{
		{number(7), uint8(7), ""},
		{number(300), uint8(0), "300 does not fit in a uint8"},
		{number(7), int32(7), ""},
		{number(1 << 63), int64(0), "does not fit in a int64"},
		{Value{Kind: value.Int, Bits: ^uint64(0)}, int16(-1), ""},
		{Value{Kind: value.Int, Bits: ^uint64(0)}, uint64(0), "-1 does not fit in a uint64"},
		{Value{Kind: value.Bool, Bits: 1}, true, ""},
		{number(1), false, "1 does not fit in a bool"},
		{pair, key{"dd", 80}, ""},
		{pair, struct{ Comm string }{}, "each field"},
		{pair, struct{ Comm, Other string }{}, "no exported field for port"},
		{Value{Kind: value.Array, Fields: []Value{number(1), number(2)}}, [2]uint32{1, 2}, ""},
		{Value{Kind: value.Array, Fields: []Value{number(1), number(2)}}, [3]uint32{}, "does not fit"},
		{number(1), new(int), "does not fit in a *int"},
	} {
		got := reflect.New(reflect.TypeOf(c.to)).Elem()
		err := assign(got, c.value)
		switch {
		case c.err == "" && (err != nil || got.Interface() != c.to):
			t.Errorf("%v: got %v, %v, want %v", c.value, got, err, c.to)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%v to a %T: error %v, want %q", c.value, c.to, err, c.err)
		}
	}
}
