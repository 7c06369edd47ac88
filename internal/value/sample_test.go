package value

import (
	"testing"

	ebtf "github.com/cilium/ebpf/btf"

	"ktrap/internal/btf"
)

var (
	charT  = &ebtf.Int{Name: "char", Size: 1, Encoding: ebtf.Signed}
	byteT  = &ebtf.Int{Name: "unsigned char", Size: 1}
	shortT = &ebtf.Int{Name: "short", Size: 2, Encoding: ebtf.Signed}
	intT   = &ebtf.Int{Name: "int", Size: 4, Encoding: ebtf.Signed}
	uintT  = &ebtf.Int{Name: "unsigned int", Size: 4}
	longT  = &ebtf.Int{Name: "long int", Size: 8, Encoding: ebtf.Signed}
	ulongT = &ebtf.Int{Name: "long unsigned int", Size: 8}
	hugeT  = &ebtf.Int{Name: "unsigned __int128", Size: 16}
	boolT  = &ebtf.Typedef{Name: "bool", Type: &ebtf.Int{Name: "_Bool", Size: 1, Encoding: ebtf.Bool}}
	floatT = &ebtf.Float{Name: "float", Size: 4}
	stateT = &ebtf.Enum{Name: "state", Size: 4, Values: []ebtf.EnumValue{
		{Name: "SHUT", Value: 7}, {Name: "OPEN", Value: 1}, {Name: "FIRST", Value: 1},
	}}
	errorT = &ebtf.Enum{Name: "error", Size: 1, Signed: true, Values: []ebtf.EnumValue{{Name: "BAD", Value: ^uint64(0)}}}
	farT   = &ebtf.Enum{Name: "far", Size: 8, Values: []ebtf.EnumValue{{Name: "FAR", Value: 1 << 63}}}

	pointT  = &ebtf.Struct{Name: "point", Size: 4, Members: []ebtf.Member{{Name: "x", Type: shortT}, {Name: "y", Type: shortT, Offset: 16}}}
	textT   = pointer(&ebtf.Const{Type: charT})
	funcT   = pointer(&ebtf.FuncProto{Return: intT})
	recordT = &ebtf.Struct{Name: "record", Size: 48, Members: []ebtf.Member{
		{Name: "id", Type: uintT},
		{Name: "low", Type: uintT, Offset: 32, BitfieldSize: 3},
		{Type: uintT, Offset: 35, BitfieldSize: 2},
		{Name: "minus", Type: intT, Offset: 37, BitfieldSize: 4},
		{Name: "on", Type: boolT, Offset: 41, BitfieldSize: 1},
		{Name: "state", Type: stateT, Offset: 42, BitfieldSize: 3},
		{Type: &ebtf.Union{Size: 4, Members: []ebtf.Member{
			{Name: "both", Type: uintT},
			{Type: &ebtf.Struct{Size: 4, Members: []ebtf.Member{{Name: "a", Type: shortT}, {Name: "b", Type: shortT, Offset: 16}}}},
		}}, Offset: 64},
		{Name: "at", Type: pointT, Offset: 96},
		{Name: "comm", Type: array(8, charT), Offset: 128},
		{Name: "call", Type: funcT, Offset: 192},
		{Name: "points", Type: array(2, pointT), Offset: 256},
		{Name: "who", Type: textT, Offset: 320},
		{Name: "tail", Type: array(0, pointT), Offset: 384},
	}}
	straddleT = &ebtf.Struct{Name: "straddle", Size: 10, Members: []ebtf.Member{{Name: "wide", Type: ulongT, Offset: 7, BitfieldSize: 64}}}
)

func pointer(to ebtf.Type) ebtf.Type { return &ebtf.Pointer{Target: to} }

func array(n uint32, of ebtf.Type) ebtf.Type { return &ebtf.Array{Index: intT, Type: of, Nelems: n} }

// spec is a BTF of one type.
func spec(t testing.TB, typ ebtf.Type) (*btf.Spec, btf.ID) {
	t.Helper()
	var b ebtf.Builder
	id, err := b.Add(typ)
	if err != nil {
		t.Fatal(err)
	}
	data, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := btf.Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, btf.ID(id)
}

func compile(t testing.TB, typ ebtf.Type) *Decoder {
	t.Helper()
	s, id := spec(t, typ)
	d, err := Compile(s, id, "v")
	if err != nil {
		t.Fatal(err)
	}
	return d
}
