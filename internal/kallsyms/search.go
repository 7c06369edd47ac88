package kallsyms

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// Search finds the symbols whose names begin with prefix, in the order of their
// names. It reads some 60 KB where Load reads megabytes, but needs
// seqs_of_names, which kernels have from 6.2 on (60443c88f3a8) and late ones of
// 6.1. More than a thousand are an error: a Table finds many faster.
func Search(mem Memory, l Layout, prefix string) ([]Symbol, error) {
	d, err := newDecoder(mem, l)
	if err != nil {
		return nil, err
	}
	s := searcher{decoder: d, mem: mem, l: l, seen: map[int]ranked{}}
	s.guess()
	found := s.search(prefix)
	s.check()
	return found, s.err
}

// A searcher reads as it goes. The first error stays and ends the search.
type searcher struct {
	*decoder
	mem         Memory
	l           Layout
	marks, seqs uint64
	seen        map[int]ranked // by rank
	err         error
}

// A ranked symbol is one met on the way.
type ranked struct {
	name   string
	symbol int
}

// guess says where markers and seqs_of_names lie, which no kernel tells: before
// token_table both (6.1 to 6.3), or one there and one behind the offsets. All
// that is read is checked, so that a wrong guess becomes an error.
func (s *searcher) guess() {
	n := uint64(s.n)
	marks := 4 * ((n + markEvery - 1) / markEvery)
	switch {
	case s.l.Offsets < s.l.Names:
		s.seqs = (s.l.TokenTable - 3*n) &^ 7
		s.marks = (s.seqs - marks) &^ 7
	case s.l.RelativeBase != 0:
		s.seqs = s.l.RelativeBase + 8
		s.marks = (s.l.TokenTable - marks) &^ 7
	default:
		s.seqs = s.l.Offsets + 4*n
		s.marks = s.l.TokenTable - marks
	}
}

func (s *searcher) search(prefix string) (found []Symbol) {
	first := sort.Search(s.n, func(rank int) bool {
		name, _, _ := s.at(rank)
		return s.err != nil || name >= stem(prefix)
	})
	for rank := first; rank < s.n; rank++ {
		name, i, tokens := s.at(rank)
		if rank-first > maxFound {
			s.fail(fmt.Errorf("search kallsyms: more than %d names begin with %s", maxFound, stem(prefix)))
		}
		if s.err != nil || !strings.HasPrefix(name, stem(prefix)) {
			break
		}
		if strings.HasPrefix(name, prefix) {
			found = append(found, s.place(i, tokens))
		}
	}
	return found
}

const maxFound = 1000

// stem cuts a name's suffix off: with clang's LTO, kernels up to 6.10 leave it
// out of account when they sort.
func stem(name string) string {
	name, _, _ = strings.Cut(name, ".")
	return name
}

// check holds what was seen against its ranks. The names would not be in order,
// or the symbols be the same, if seqs_of_names were elsewhere.
func (s *searcher) check() {
	last := ranked{symbol: -1}
	for _, rank := range slices.Sorted(maps.Keys(s.seen)) {
		this := s.seen[rank]
		if stem(this.name) < stem(last.name) || this.symbol == last.symbol {
			s.fail(fmt.Errorf("kallsyms_seqs_of_names: %s comes before %s", last.name, this.name))
		}
		last = this
	}
}

// at returns the symbol of that rank in the order of names.
func (s *searcher) at(rank int) (name string, i int, tokens []byte) {
	seq := s.read("kallsyms_seqs_of_names", s.seqs+3*uint64(rank), 3)
	i = int(seq[0])<<16 | int(seq[1])<<8 | int(seq[2])
	if i >= s.n {
		s.fail(fmt.Errorf("kallsyms_seqs_of_names: there is no symbol %d", i))
		return "", 0, nil
	}
	tokens = s.tokensOf(i)
	name = string(s.typed(nil, tokens)[1:])
	s.seen[rank] = ranked{name, i}
	return name, i, tokens
}

// tokensOf returns the tokens of symbol i's name, or none after an error.
func (s *searcher) tokensOf(i int) []byte {
	names, at := s.group(i/markEvery), 0
	for range i % markEvery {
		if !within(names, at) {
			break
		}
		_, at = entry(names, at)
	}
	if !within(names, at) {
		s.fail(fmt.Errorf("kallsyms_markers: symbol %d lies outside", i))
		return nil
	}
	start, end := entry(names, at)
	return names[start:end]
}

// group reads the names of up to 256 symbols that a marker leads to.
func (s *searcher) group(g int) []byte {
	const most = markEvery * (2 + 512)
	marks := s.read("kallsyms_markers", s.marks+4*uint64(g), 8)
	start := uint64(binary.LittleEndian.Uint32(marks))
	end := uint64(binary.LittleEndian.Uint32(marks[4:]))
	if (g+1)*markEvery >= s.n { // the second was no marker
		end = min(start+most, s.l.TokenTable-s.l.Names)
	}
	if end <= start || end-start > most {
		s.fail(fmt.Errorf("kallsyms_markers: marker %d is none", g))
		return nil
	}
	return s.read("kallsyms_names", s.l.Names+start, end-start)
}

// place decodes symbol i; the few offsets behind its own tell its size.
func (s *searcher) place(i int, tokens []byte) Symbol {
	near := 4 * uint64(min(maxAliases, s.n-i))
	offsets := s.read("kallsyms_offsets", s.l.Offsets+4*uint64(i), near)
	return s.symbol(tokens, addresses{s.address, i, offsets})
}

// read returns size bytes at addr: zeros after an error.
func (s *searcher) read(array string, addr, size uint64) []byte {
	p, err := span(s.mem, array, addr, addr+size)
	if err != nil {
		s.fail(err)
		return make([]byte, size)
	}
	return p
}

func (s *searcher) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}
