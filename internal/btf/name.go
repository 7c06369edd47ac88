package btf

import (
	"bytes"
	"fmt"
	"slices"
)

// Funcs returns the functions of that name. Several static functions may share
// one name, and a name found here need not be one that can be probed.
func (s *Spec) Funcs(name string) []ID { return s.Types(name, Func) }

// Types returns the types of that name and one of the kinds.
func (s *Spec) Types(name string, kinds ...Kind) (ids []ID) {
	all, known := s.answers.Load(name)
	if !known {
		s.Expect([]string{name})
		all, _ = s.answers.Load(name)
	}
	for _, id := range all.([]ID) {
		if slices.Contains(kinds, s.at(int(id-s.first)).kind()) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Expect looks for many names in one pass: for those that will be asked for.
func (s *Spec) Expect(names []string) {
	wanted := make(map[string][]ID, len(names))
	for _, name := range names {
		if _, known := s.answers.Load(name); !known {
			wanted[name] = nil
		}
	}
	if len(wanted) > 0 {
		s.search(wanted)
	}
	for name, ids := range wanted {
		s.answers.Store(name, ids)
	}
	if s.base != nil {
		s.base.Expect(names)
	}
}

// search adds to wanted the types of its names. What a name begins with tells most
// of them apart. This loop and the one in index are most of what it costs to find
// a function.
func (s *Spec) search(wanted map[string][]ID) {
	begin := beginnings(wanted)
	starts, types, strings := s.starts[:s.count()], s.types, s.strings // kept in registers
	last := uint64(max(0, len(strings)-3))
	for i, at := range starts {
		off := uint64(le.Uint32(types[at : at+4 : at+4]))
		if off == 0 {
			continue
		}
		// A base's name is out of range, which is to be seen without an overflow.
		if from := off - uint64(s.strBase); from < last && !begin[beginning(le.Uint32(strings[from:from+4:from+4]))] {
			continue
		}
		if name, err := s.bytesAt(uint32(off)); err == nil {
			if ids, is := wanted[string(name)]; is {
				wanted[string(name)] = append(ids, s.first+ID(i))
			}
		}
	}
}

const beginBits = 12

// beginning is a number made of the first three bytes of a name, its NUL among them.
func beginning(four uint32) uint32 { return four << 8 * 0x9e3779b1 >> (32 - beginBits) }

func beginnings(names map[string][]ID) *[1 << beginBits]bool {
	var begin [1 << beginBits]bool
	for name := range names {
		if len(name) < 2 { // what follows it may be anything
			return all()
		}
		three := append([]byte(name), 0)
		begin[beginning(uint32(three[0])|uint32(three[1])<<8|uint32(three[2])<<16)] = true
	}
	return &begin
}

func all() *[1 << beginBits]bool {
	var all [1 << beginBits]bool
	for i := range all {
		all[i] = true
	}
	return &all
}

// FuncIndex is Funcs for many names in one pass.
func (s *Spec) FuncIndex(names []string) map[string][]ID {
	s.Expect(names)
	index := make(map[string][]ID, len(names))
	for _, name := range names {
		index[name] = s.Funcs(name)
	}
	return index
}

// Enumerator returns the value of a constant of any enum. It is cheap enough to
// serve as a probe of features: a helper's number, BPF_FUNC_x, is there from the
// kernel on that has the helper, if the kernel's BTF describes that enum.
func (s *Spec) Enumerator(name string) (value int64, ok bool) {
	if found, known := s.answers.Load(constant(name)); known {
		return found.(enumerator).value, found.(enumerator).ok
	}
	value, ok = s.enumerator(name)
	s.answers.Store(constant(name), enumerator{value, ok})
	return value, ok
}

// constant is the question for an enumerator.
type constant string

type enumerator struct {
	value int64
	ok    bool
}

func (s *Spec) enumerator(name string) (value int64, ok bool) {
	for i, at := range s.starts[:s.count()] {
		if kind := Kind(s.types[at+7] & kindMask); kind != Enum && kind != Enum64 {
			continue
		}
		r := s.at(i)
		for j := range r.vlen() {
			if e := r.enumerator(j); s.named(le.Uint32(e), name) {
				return r.enumValue(e), true
			}
		}
	}
	return 0, false
}

// at is the i-th type of this BTF.
func (s *Spec) at(i int) record { return record(s.types[s.starts[i]:s.starts[i+1]]) }

// named reports whether the string at off is name. The byte where its NUL would
// be tells most names apart.
func (s *Spec) named(off uint32, name string) bool {
	for off < s.strBase {
		s = s.base
	}
	from := int(off - s.strBase)
	to := from + len(name)
	return to < len(s.strings) && s.strings[to] == 0 && string(s.strings[from:to]) == name
}

func (s *Spec) name(off uint32) (string, error) {
	name, err := s.bytesAt(off)
	return string(name), err
}

func (s *Spec) bytesAt(off uint32) ([]byte, error) {
	if off < s.strBase {
		return s.base.bytesAt(off)
	}
	if i := uint64(off - s.strBase); i < uint64(len(s.strings)) {
		if n := bytes.IndexByte(s.strings[i:], 0); n >= 0 {
			return s.strings[i:][:n], nil
		}
	}
	return nil, fmt.Errorf("name at %d of %d bytes of strings", off, s.strBase+uint32(len(s.strings)))
}
