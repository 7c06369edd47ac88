package btf

import "testing"

// Whatever the bytes are, reading them ends, in an answer or an error.
func FuzzAnyBytesAreReadToAnEnd(f *testing.F) {
	data, _ := sample(f)
	f.Add(data, "sk.sk_prot.name[3]")
	f.Add(raw([]uint32{1, info(Struct, 2), 4, 0, 1, 0, 0, 1, 0}, "\x00a\x00"), "a.a") // holds itself twice
	f.Add(raw([]uint32{0, info(FuncProto, 2), 1, 0, 1, 0, 1}, "\x00a\x00"), "a->a")   // takes and returns itself
	f.Add(raw([]uint32{0, info(Pointer, 0), 1}, "\x00a\x00"), "arg0.a")
	f.Fuzz(func(t *testing.T, data []byte, path string) {
		s, err := Parse(data, nil)
		if err != nil {
			return
		}
		s.Enumerator("SHUT")
		s.Funcs("connect")
		for id := ID(0); int(id) <= s.count()+1; id++ {
			read(s, id, path)
		}
	})
}

func read(s *Spec, id ID, path string) {
	s.Type(id)
	s.TypeString(id)
	s.Sizeof(id)
	s.CharPointer(id)
	s.Members(id)
	s.Enumerators(id)
	s.Resolve([]Param{{Name: "a", Type: id}}, path)
	if p, err := s.Proto(id); err == nil {
		s.Resolve(p.Params, path)
	}
}
