//go:build live

package value

import (
	stdjson "encoding/json"
	"math/rand/v2"
	"os"
	"testing"

	"ktrap/internal/btf"
)

func TestEveryTypeOfTheRunningKernelGivesValidJSON(t *testing.T) {
	data, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Skip("this kernel has no BTF: ", err)
	}
	s, err := btf.Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	raw := make([]byte, 64<<10)
	for i := range raw {
		raw[i] = byte(rnd.Uint32())
	}
	decoders, out := 0, []byte(nil)
	for id := btf.ID(1); ; id++ {
		typ, err := s.Type(id)
		if err != nil {
			break
		}
		for _, id := range valuesOf(t, s, typ) {
			d, err := Compile(s, id, "v")
			if err != nil {
				t.Errorf("%s: %v", s.TypeString(id), err)
				continue
			}
			decoders++
			if out = d.AppendJSON(out[:0], raw, Str{}); !stdjson.Valid(out) {
				t.Fatalf("%s: not JSON: %s", d.Type(), out)
			}
			d.Decode(raw[:rnd.IntN(d.Size()+1)%len(raw)], Str{})
		}
	}
	t.Logf("%d decoders", decoders)
}

// valuesOf lists the types of values that typ tells of.
func valuesOf(t *testing.T, s *btf.Spec, typ btf.Type) (ids []btf.ID) {
	t.Helper()
	switch typ.Kind {
	case btf.Struct, btf.Union:
		return []btf.ID{typ.ID}
	case btf.Func:
		p, err := s.Proto(typ.ID)
		if err != nil {
			t.Error(err)
		}
		for _, param := range p.Params {
			ids = append(ids, param.Type)
		}
		return append(ids, p.Return)
	}
	return nil
}
