package btf

import (
	"bytes"
	"fmt"
	"slices"
)

// Funcs returns the functions of that name. Several static functions may share
// one name, and a name found here need not be one that can be probed.
func (s *Spec) Funcs(name string) []ID { return s.Types(name, Func) }

// Types returns the types of that name and one of the kinds. Handlers of one file
// ask for the same functions, so the answers are kept.
func (s *Spec) Types(name string, kinds ...Kind) []ID {
	asked := question{name, *setOf(kinds...)}
	if ids, known := s.answers.Load(asked); known {
		return ids.([]ID)
	}
	ids := slices.Clip(s.search(name, &asked.kinds))
	s.answers.Store(asked, ids)
	return ids
}

// question is a name, and the kinds of types that may have it.
type question struct {
	name  string
	kinds kindSet
}

func (s *Spec) search(name string, of *kindSet) (ids []ID) {
	for i := s.next(0, of, len(name)); i < s.count(); i = s.next(i+1, of, len(name)) {
		if s.named(s.nameOf(i), name) {
			ids = append(ids, s.first+ID(i))
		}
	}
	return ids
}

// FuncIndex is Funcs for many names in one pass.
func (s *Spec) FuncIndex(names []string) map[string][]ID {
	index := make(map[string][]ID, len(names))
	for _, name := range names {
		index[name] = nil
	}
	of := setOf(Func)
	for i := s.next(0, of, anyLength); i < s.count(); i = s.next(i+1, of, anyLength) {
		name, err := s.bytesAt(s.nameOf(i))
		if err != nil {
			continue
		}
		if ids, wanted := index[string(name)]; wanted {
			index[string(name)] = append(ids, s.first+ID(i))
		}
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
	of := setOf(Enum, Enum64)
	for i := s.next(0, of, anyLength); i < s.count(); i = s.next(i+1, of, anyLength) {
		r := s.at(i)
		for j := range r.vlen() {
			if e := r.enumerator(j); s.named(le.Uint32(e), name) {
				return r.enumValue(e), true
			}
		}
	}
	return 0, false
}

// A kindSet answers without a shift, which Go makes expensive.
type kindSet [kindMask + 1]bool

func setOf(kinds ...Kind) *kindSet {
	var set kindSet
	for _, k := range kinds {
		set[k&kindMask] = true
	}
	return &set
}

// next is the index of the first type from i on that is of a wanted kind and
// whose name may be n bytes long, or the number of types. This loop and the one
// in index are most of what finding a function costs.
func (s *Spec) next(i int, wanted *kindSet, n int) int {
	starts, types := s.starts[:s.count()], s.types // kept in registers
	for ; i < len(starts); i++ {
		at := int(starts[i])
		if !wanted[types[at+7]&kindMask] {
			continue
		}
		if n == anyLength {
			break
		}
		// The NUL tells most names apart; a base's name is out of range.
		end := uint64(le.Uint32(types[at:at+4:at+4])) + uint64(n) - uint64(s.strBase)
		if end >= uint64(len(s.strings)) || s.strings[end] == 0 {
			break
		}
	}
	return i
}

// anyLength makes next heed the kind alone.
const anyLength = -1

// nameOf is where the name is of the i-th type of this BTF.
func (s *Spec) nameOf(i int) uint32 { return le.Uint32(s.types[s.starts[i]:]) }

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
