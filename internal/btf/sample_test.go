package btf

import (
	"testing"

	ebtf "github.com/cilium/ebpf/btf"
)

// Types as the kernel has them, in another implementation's words.
var (
	charT  = &ebtf.Int{Name: "char", Size: 1, Encoding: ebtf.Signed}
	ucharT = &ebtf.Int{Name: "unsigned char", Size: 1}
	intT   = &ebtf.Int{Name: "int", Size: 4, Encoding: ebtf.Signed}
	longT  = &ebtf.Int{Name: "long unsigned int", Size: 8}
	boolT  = &ebtf.Int{Name: "_Bool", Size: 1, Encoding: ebtf.Bool}
	u8T    = &ebtf.Typedef{Name: "u8", Type: ucharT}
	sizeT  = &ebtf.Typedef{Name: "size_t", Type: longT}

	portT   = &ebtf.Struct{Name: "port", Size: 4, Members: []ebtf.Member{{Name: "number", Type: intT}}}
	commonT = &ebtf.Struct{Name: "sock_common", Size: 16, Members: []ebtf.Member{
		{Type: &ebtf.Union{Size: 8, Members: []ebtf.Member{
			{Name: "skc_addrpair", Type: longT},
			{Type: &ebtf.Struct{Size: 8, Members: []ebtf.Member{
				{Name: "skc_daddr", Type: intT},
				{Name: "skc_rcv_saddr", Type: intT, Offset: 32},
			}}},
		}}},
		{Name: "skc_reuse", Type: ucharT, Offset: 64, BitfieldSize: 4},
		{Name: "skc_ipv6only", Type: ucharT, Offset: 69, BitfieldSize: 1},
		{Name: "skc_dport", Type: &ebtf.Typedef{Name: "__be16", Type: &ebtf.Int{Name: "short unsigned int", Size: 2}}, Offset: 96},
	}}
	protoT = &ebtf.Struct{Name: "proto", Size: 96} // members are set in sample
	sockT  = &ebtf.Struct{Name: "sock", Size: 64, Members: []ebtf.Member{
		{Name: "__sk_common", Type: commonT},
		{Name: "sk_prot", Type: &ebtf.Const{Type: &ebtf.Pointer{Target: protoT}}, Offset: 128},
		{Name: "sk_ports", Type: &ebtf.Array{Index: intT, Type: portT, Nelems: 4}, Offset: 192},
		{Name: "sk_user", Type: &ebtf.Pointer{Target: &ebtf.Fwd{Name: "user", Kind: ebtf.FwdStruct}}, Offset: 320},
		{Name: "sk_protocol", Type: u8T, Offset: 384},
		{Name: "sk_tail", Type: &ebtf.Array{Index: intT, Type: portT, Nelems: 0}, Offset: 512},
	}}

	stateT = &ebtf.Enum{Name: "state", Size: 4, Values: []ebtf.EnumValue{{Name: "OPEN", Value: 1}, {Name: "SHUT", Value: 2}}}
	errT   = &ebtf.Enum{Name: "error", Size: 1, Signed: true, Values: []ebtf.EnumValue{{Name: "BAD", Value: ^uint64(0)}}}
	wideT  = &ebtf.Enum{Name: "wide", Size: 8, Values: []ebtf.EnumValue{{Name: "FAR", Value: 1 << 40}, {Name: "TOP", Value: 1 << 63}}}

	connectT = &ebtf.FuncProto{Return: intT, Params: []ebtf.FuncParam{
		{Name: "sk", Type: &ebtf.Pointer{Target: sockT}},
		{Name: "", Type: &ebtf.Volatile{Type: sizeT}},
		{Name: "port", Type: portT},
		{Name: "state", Type: stateT},
		{Name: "f", Type: &ebtf.Float{Name: "double", Size: 8}},
		{Type: &ebtf.Void{}},
	}}
	handlerT = &ebtf.FuncProto{Return: &ebtf.Void{}, Params: []ebtf.FuncParam{{Name: "sk", Type: &ebtf.Pointer{Target: sockT}}}}
	emptyT   = &ebtf.FuncProto{Return: &ebtf.Void{}}
)

// sample returns a small BTF and where the types went that it is asked for.
func sample(t testing.TB, extra ...ebtf.Type) (data []byte, ids map[ebtf.Type]ID) {
	t.Helper()
	protoT.Members = []ebtf.Member{
		{Name: "close", Type: &ebtf.Pointer{Target: handlerT}},
		{Name: "name", Type: &ebtf.Array{Index: intT, Type: charT, Nelems: 32}, Offset: 64},
	}
	types := append([]ebtf.Type{
		stateT, errT, wideT, boolT, commonT, sockT, portT,
		&ebtf.Func{Name: "tcp_connect", Type: connectT, Tags: []string{"kfunc"}},
		&ebtf.Func{Name: "connect", Type: connectT, Linkage: ebtf.GlobalFunc},
		&ebtf.Func{Name: "twice", Type: emptyT},
		&ebtf.Func{Name: "twice", Type: handlerT},
	}, extra...)
	var b ebtf.Builder
	ids = map[ebtf.Type]ID{}
	for _, typ := range types {
		id, err := b.Add(typ)
		if err != nil {
			t.Fatal(err)
		}
		ids[typ] = ID(id)
	}
	data, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return data, ids
}

func parse(t testing.TB, data []byte, base *Spec) *Spec {
	t.Helper()
	s, err := Parse(data, base)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// one is the only type of a name.
func one(t testing.TB, s *Spec, name string, kinds ...Kind) ID {
	t.Helper()
	ids := s.Types(name, kinds...)
	if len(ids) != 1 {
		t.Fatalf("%d types named %s, want 1", len(ids), name)
	}
	return ids[0]
}
