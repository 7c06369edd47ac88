package btf

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	ebtf "github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

// agree compares every type of data with what another implementation reads in
// it, and returns both views for the BTF that continue it.
func agree(t *testing.T, data []byte, base *Spec, otherBase *ebtf.Spec) (*Spec, *ebtf.Spec) {
	t.Helper()
	s := parse(t, data, base)
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	other, err := load(data, otherBase)
	if err != nil {
		t.Fatal(err)
	}
	next, funcs := s.first, 0
	for typ, err := range other.All() {
		if err != nil {
			t.Fatal(err)
		}
		if _, isVoid := typ.(*ebtf.Void); isVoid {
			continue
		}
		want := describeOther(t, other, typ)
		for next < want.Type.ID && describe(s, next).Type.Kind == DeclTag { // the other one lists none
			next++
		}
		if got := describe(s, next); !reflect.DeepEqual(want, got) {
			t.Fatalf("type %d, %s (-other +ours):\n%s", next, s.TypeString(next), cmp.Diff(want, got))
		}
		if want.Type.Kind == Func {
			funcs++
		}
		next++
	}
	t.Logf("%d types agree, %d of them functions", next-s.first, funcs)
	for ; int(next-s.first) < s.count(); next++ {
		if v := describe(s, next); v.Type.Kind != DeclTag {
			t.Fatalf("the other implementation lacks type %d, %s", next, s.TypeString(next))
		}
	}
	return s, other
}

func load(data []byte, base *ebtf.Spec) (*ebtf.Spec, error) {
	if base != nil {
		return ebtf.LoadSplitSpecFromReader(bytes.NewReader(data), base)
	}
	return ebtf.LoadSpecFromReader(bytes.NewReader(data))
}

// A view is what both sides say of a type, with references as ids.
type view struct {
	Type    Type
	Members []Member
	Enums   []Enumerator
	Proto   *Proto
	Err     string
}

func describe(s *Spec, id ID) view {
	t, err := s.Type(id)
	v := view{Type: t}
	switch {
	case err != nil:
	case t.Kind == Struct || t.Kind == Union:
		v.Members, err = s.Members(id)
	case t.Kind == Enum || t.Kind == Enum64:
		v.Enums, err = s.Enumerators(id)
		v.Type.Kind = oneEnum(t.Kind)
	case t.Kind == FuncProto:
		var p Proto
		p, err = s.Proto(id)
		for i := range p.Params {
			p.Params[i].Kind = oneEnum(p.Params[i].Kind)
		}
		v.Proto = &p
	}
	if err != nil {
		v.Err = err.Error()
	}
	return v
}

// oneEnum drops a difference that the other implementation does not show.
func oneEnum(k Kind) Kind {
	if k == Enum64 {
		return Enum
	}
	return k
}

func describeOther(t *testing.T, other *ebtf.Spec, typ ebtf.Type) view {
	t.Helper()
	ref := func(typ ebtf.Type) ID {
		id, err := other.TypeID(typ)
		if err != nil {
			t.Fatal(err)
		}
		return ID(id)
	}
	v := view{Type: Type{ID: ref(typ), Name: typ.TypeName()}}
	as := func(k Kind, elem ebtf.Type) { v.Type.Kind, v.Type.Elem = k, ref(elem) }
	members := func(k Kind, size uint32, members []ebtf.Member) {
		v.Type.Kind, v.Type.Size, v.Members = k, size, []Member{}
		for _, m := range members {
			v.Members = append(v.Members, Member{m.Name, ref(m.Type), uint32(m.Offset), uint32(m.BitfieldSize)})
		}
	}
	switch x := typ.(type) {
	case *ebtf.Int:
		v.Type.Kind, v.Type.Size = Int, x.Size
		v.Type.Signed, v.Type.Bool = x.Encoding == ebtf.Signed, x.Encoding == ebtf.Bool
	case *ebtf.Pointer:
		as(Pointer, x.Target)
		v.Type.Size = 8
	case *ebtf.Array:
		as(Array, x.Type)
		v.Type.Len = x.Nelems
	case *ebtf.Struct:
		members(Struct, x.Size, x.Members)
	case *ebtf.Union:
		members(Union, x.Size, x.Members)
	case *ebtf.Enum:
		v.Type.Kind, v.Type.Size, v.Type.Signed, v.Enums = Enum, x.Size, x.Signed, []Enumerator{}
		for _, e := range x.Values {
			v.Enums = append(v.Enums, Enumerator{e.Name, inSize(e.Value, x)})
		}
	case *ebtf.Fwd:
		v.Type.Kind, v.Type.Union = Forward, x.Kind == ebtf.FwdUnion
	case *ebtf.Typedef:
		as(Typedef, x.Type)
	case *ebtf.Volatile:
		as(Volatile, x.Type)
	case *ebtf.Const:
		as(Const, x.Type)
	case *ebtf.Restrict:
		as(Restrict, x.Type)
	case *ebtf.TypeTag:
		as(TypeTag, x.Type)
		v.Type.Name = x.Value
	case *ebtf.Func:
		as(Func, x.Type)
	case *ebtf.FuncProto:
		as(FuncProto, x.Return)
		v.Proto = &Proto{Return: ref(x.Return), Params: []Param{}}
		for i, p := range x.Params {
			v.param(i, p, ref(p.Type), i == len(x.Params)-1)
		}
	case *ebtf.Var:
		as(Var, x.Type)
	case *ebtf.Datasec:
		v.Type.Kind, v.Type.Size = DataSec, x.Size
	case *ebtf.Float:
		v.Type.Kind, v.Type.Size = Float, x.Size
	default:
		t.Fatalf("unexpected %T", typ)
	}
	return v
}

// param adds what is told by the other implementation's own sizes.
func (v *view) param(i int, p ebtf.FuncParam, id ID, last bool) {
	kind := Void
	switch ebtf.UnderlyingType(p.Type).(type) {
	case *ebtf.Void:
		if last {
			v.Proto.Variadic = true
			return
		}
	case *ebtf.Int:
		kind = Int
	case *ebtf.Enum:
		kind = Enum
	case *ebtf.Pointer:
		kind = Pointer
	case *ebtf.Struct:
		kind = Struct
	case *ebtf.Union:
		kind = Union
	case *ebtf.Float:
		kind = Float
	}
	if p.Name == "" {
		p.Name = fmt.Sprintf("arg%d", i)
	}
	size, err := ebtf.Sizeof(p.Type)
	if err != nil {
		v.Err = err.Error()
	}
	v.Proto.Params = append(v.Proto.Params, Param{p.Name, id, kind, uint32(size)})
}

// inSize cuts a constant to its enum's size, which the other one does not.
func inSize(value uint64, e *ebtf.Enum) int64 {
	shift := 64 - 8*e.Size
	if e.Signed {
		return int64(value<<shift) >> shift
	}
	return int64(value << shift >> shift)
}

func TestTheSampleReadsAsAnotherImplementationReadsIt(t *testing.T) {
	data, _ := sample(t)
	agree(t, data, nil, nil)
}
