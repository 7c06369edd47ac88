package btf

import (
	"encoding/binary"
	"testing"

	ebtf "github.com/cilium/ebpf/btf"
)

func TestALoadIsWhatTheVerifierTakesItFor(t *testing.T) {
	u32 := &ebtf.Int{Name: "u32", Size: 4}
	u64 := &ebtf.Int{Name: "u64", Size: 8}
	node := &ebtf.Struct{Name: "node", Size: 56}
	counter := &ebtf.Struct{Name: "counter", Size: 8, Members: []ebtf.Member{{Name: "n", Type: u64}}}
	node.Members = []ebtf.Member{
		{Name: "any", Type: &ebtf.Pointer{Target: &ebtf.Void{}}},
		{Name: "next", Type: &ebtf.Pointer{Target: node}, Offset: 8 * 8},
		{Name: "both", Offset: 16 * 8, Type: &ebtf.Union{Size: 8, Members: []ebtf.Member{
			{Name: "first", Type: &ebtf.Pointer{Target: node}}, {Name: "number", Type: u64},
		}}},
		{Name: "four", Offset: 24 * 8, Type: &ebtf.Array{Type: u32, Index: u32, Nelems: 4}},
		{Name: "named", Offset: 40 * 8, Type: &ebtf.Array{Type: &ebtf.Typedef{Name: "counter_t", Type: counter}, Index: u32, Nelems: 1}},
		{Name: "bits", Type: u32, Offset: 48*8 + 3, BitfieldSize: 4},
	}
	var b ebtf.Builder
	if _, err := b.Add(node); err != nil {
		t.Fatal(err)
	}
	data, err := b.Marshal(nil, &ebtf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := s.Types("node", Struct)[0]
	for _, c := range []struct {
		name         string
		offset, size uint32
		to           ID
		pointer, ok  bool
	}{
		{"a pointer to anything", 0, 8, 0, true, true},
		{"a pointer to a struct", 8, 8, id, true, true},
		{"half a pointer", 8, 4, 0, true, false},
		{"a number in a union behind a pointer", 16, 8, id, true, true},
		{"an element", 28, 4, 0, false, true},
		{"two elements", 24, 8, 0, false, true},
		{"in an array of what is named a struct", 40, 8, 0, false, false},
		{"bits", 48, 1, 0, false, true},
		{"beyond the end", 52, 8, 0, false, false},
	} {
		if to, pointer, ok := s.Loaded(id, c.offset, c.size); to != c.to || pointer != c.pointer || ok != c.ok {
			t.Errorf("%s: %d, %v, %v; want %d, %v, %v", c.name, to, pointer, ok, c.to, c.pointer, c.ok)
		}
	}
}
