package symbols

import (
	"bytes"
	"cmp"
	"slices"
)

// Suggest returns up to n names of functions that are most like name, of the
// named module, or if none is named of the kernel and all modules. The functions of
// the system call of that name are the best. Then come names that begin with it, if
// there are no more than n; else those that differ from it by the same number of
// typing mistakes, at most a third of its length, or hold it. It reads the whole
// table.
func (v *view) Suggest(module, name string, n int) []string {
	s := newSuggester(name)
	if module == "" {
		v.suggestKernel(s)
	}
	modules, _ := v.inModules(module, Symbol.isFunction)
	for _, m := range modules {
		s.consider([]byte(m.Name))
	}
	best := shortest(s.calls)
	if longer := shortest(s.longer); 0 < len(longer) && len(longer) <= n {
		best = append(best, longer...)
	} else {
		best = append(best, shortest(s.best)...)
	}
	best = distinct(best)
	return best[:min(n, len(best))]
}

// distinct leaves out what came before.
func distinct(names []string) (out []string) {
	for _, name := range names {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// isCallOf reports whether a function is of the system call of a name: __x64_sys_openat,
// __arm64_sys_openat and do_sys_openat2 of openat, ksys_read of read.
func isCallOf(name, call []byte) bool {
	for _, prefix := range []string{"__x64_sys_", "__arm64_sys_", "ksys_", "do_sys_"} {
		if rest, found := bytes.CutPrefix(name, []byte(prefix)); found && bytes.HasPrefix(rest, call) {
			return len(rest) == len(call) || prefix == "do_sys_" && len(rest) == len(call)+1
		}
	}
	return false
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
	call   []byte   // name without what a system call's function begins with
	calls  []string // of the system call of that name
}

const many = 64

func newSuggester(name string) *suggester {
	s := &suggester{name: []byte(name[:min(len(name), 64)])}
	s.loose = len(s.name) / 3
	s.limit = s.loose
	s.call = bytes.TrimPrefix(s.name, []byte("sys_"))
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
	if isCallOf(name, s.call) {
		s.calls = append(s.calls, string(name))
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
