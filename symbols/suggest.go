package symbols

import (
	"bytes"
	"cmp"
	"slices"
)

// Suggest returns up to n names of functions that are most like name, of the
// named module, or if none is named of the kernel and all modules. Names that
// begin with it are the best, if there are no more than n. Else they differ from
// it by the same number of typing mistakes, at most a third of its length, or
// hold it. It reads the whole table.
func (v *view) Suggest(module, name string, n int) []string {
	s := newSuggester(name)
	if module == "" {
		v.suggestKernel(s)
	}
	modules, _ := v.inModules(module, Symbol.isFunction)
	for _, m := range modules {
		s.consider([]byte(m.Name))
	}
	if longer := shortest(s.longer); 0 < len(longer) && len(longer) <= n {
		return longer
	}
	best := shortest(s.best)
	return best[:min(n, len(best))]
}

// shortest sorts names by their length and leaves out what is there twice.
func shortest(names []string) []string {
	slices.Sort(names)
	names = slices.Compact(names)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(len(a), len(b)) })
	return names
}

func (v *view) suggestKernel(s *suggester) {
	t, err := v.kernel()
	if err != nil {
		return
	}
	text, err := v.text()
	if err != nil {
		return
	}
	for name := range t.Names(text.start, text.end) {
		s.consider(name)
	}
}

// A suggester keeps the names that are nearest to one.
type suggester struct {
	name  []byte
	masks [256]uint64 // for each byte, a bit wherever it stands in name
	loose int         // how far off names count that hold it
	limit int         // how far off the best are
	best  []string

	longer []string // that begin with name; many are as good as all
}

const many = 64

func newSuggester(name string) *suggester {
	s := &suggester{name: []byte(name[:min(len(name), 64)])}
	s.loose = len(s.name) / 3
	s.limit = s.loose
	for i, c := range s.name {
		s.masks[c] |= 1 << i
	}
	return s
}

func (s *suggester) consider(name []byte) {
	if isPadding(string(name)) {
		return
	}
	if len(s.longer) < many && bytes.HasPrefix(name, s.name) {
		s.longer = append(s.longer, string(name))
	}
	d := s.loose + 1
	if off := len(name) - len(s.name); -s.limit <= off && off <= s.limit {
		d = s.distance(name)
	}
	if d > s.loose && s.limit == s.loose && bytes.Contains(name, s.name) {
		d = s.loose
	}
	switch {
	case d > s.limit:
		return
	case d < s.limit:
		s.limit, s.best = d, nil
	}
	s.best = append(s.best, string(name))
}

// distance counts the typing mistakes between the names: a byte too many, too
// few or wrong, or two neighbours swapped. It works on a column of the usual
// table at once, a bit for a row, as Hyyrö has it (A bit-vector algorithm for
// computing Levenshtein and Damerau edit distances, 2003).
func (s *suggester) distance(name []byte) int {
	d, last := len(s.name), uint64(1)<<(len(s.name)-1)
	up, down := ^uint64(0), uint64(0) // where the column rises and falls
	var diagonal, before uint64
	for _, c := range name {
		mask := s.masks[c]
		swapped := (^diagonal & mask) << 1 & before
		diagonal = ((mask & up) + up) ^ up | mask | down | swapped
		right, left := down|^(diagonal|up), diagonal&up
		if right&last != 0 {
			d++
		}
		if left&last != 0 {
			d--
		}
		right, left = right<<1|1, left<<1
		up, down = left|^(diagonal|right), diagonal&right
		before = mask
	}
	return d
}
