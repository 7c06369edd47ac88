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
func (s *Spec) Types(name string, kinds ...Kind) []ID {
	var ids []ID
	for _, want := range s.offsets(name) {
		for i, start := range s.readable() {
			r := record(s.types[start:])
			if r.name() == want && slices.Contains(kinds, r.kind()) {
				ids = append(ids, s.first+ID(i))
			}
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
	for i, start := range s.readable() {
		r := record(s.types[start:])
		if r.kind() != Func {
			continue
		}
		name, err := s.bytesAt(r.name())
		if err != nil {
			continue
		}
		if ids, wanted := index[string(name)]; wanted {
			index[string(name)] = append(ids, s.first+ID(i))
		}
	}
	return index
}

// Enumerator returns the value of a constant of any enum. It costs one search
// of the strings where the kernel has no such name, so it serves as a probe of
// features: a helper's number, BPF_FUNC_x, is there from the kernel on that has
// the helper.
func (s *Spec) Enumerator(name string) (value int64, ok bool) {
	for _, want := range s.offsets(name) {
		for _, start := range s.readable() {
			r := record(s.types[start:])
			for i, n := 0, r.enumerators(); i < n; i++ {
				if e := r.elem(i, r.enumSize()); le.Uint32(e) == want {
					return r.enumValue(e), true
				}
			}
		}
	}
	return 0, false
}

// readable is where the types begin that can be read.
func (s *Spec) readable() []uint32 { return s.starts[:s.count()] }

// offsets returns where name begins among the strings of s and its bases: a
// split BTF names its own types by its base's strings too.
func (s *Spec) offsets(name string) []uint32 {
	if name == "" {
		return nil
	}
	var offs []uint32
	needle := newFinder("\x00" + name + "\x00")
	for ; s != nil; s = s.base {
		// A split BTF need not begin with the empty string.
		if bytes.HasPrefix(s.strings, needle.needle[1:]) {
			offs = append(offs, s.strBase)
		}
		for at := needle.next(s.strings, 0); at >= 0; at = needle.next(s.strings, at+1) {
			offs = append(offs, s.strBase+uint32(at)+1)
		}
	}
	return offs
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

// A finder searches by Horspool's method: it looks at one byte in about half a
// needle's length, where bytes.Index looks at each several times over. That is
// 2 MB of strings a look-up.
type finder struct {
	needle []byte
	skip   [256]uint8 // how far the end may move on when it meets this byte
}

func newFinder(needle string) *finder {
	f := &finder{needle: []byte(needle)}
	for i := range f.skip {
		f.skip[i] = uint8(min(len(needle), 255))
	}
	for i, c := range f.needle[:len(needle)-1] {
		f.skip[c] = uint8(min(len(needle)-1-i, 255))
	}
	return f
}

// next returns the first place at or after from, or -1.
func (f *finder) next(hay []byte, from int) int {
	last := len(f.needle) - 1
	for end := from + last; end < len(hay); end += int(f.skip[hay[end]]) {
		if hay[end] == f.needle[last] && bytes.Equal(hay[end-last:end+1], f.needle) {
			return end - last
		}
	}
	return -1
}
