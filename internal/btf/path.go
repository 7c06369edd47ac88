package btf

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Path leads from a parameter's value to something inside it or behind it.
type Path struct {
	Root int // index of the parameter

	// Offsets are in bytes. The first is into the parameter's own value; each
	// further one is added to the pointer found at the place before:
	//
	//	sk.sk_socket->file   [0 640 16]   *(*(sk+640)+16)
	Offsets []uint32

	Type ID // of what is there

	// Bits is the width of a bitfield, which begins Shift bits after the last
	// offset, else 0.
	Shift, Bits uint32
}

// A PathError is a mistake in a path.
type PathError struct {
	Path    string
	Offset  int // in bytes, where in Path the mistake is
	Problem string
	Nearest string   // the name that may have been meant, or ""
	Has     []string // some names that would have been right, likely ones first
}

func (e *PathError) Error() string {
	text := fmt.Sprintf("%s: %s", e.Path, e.Problem)
	switch {
	case e.Nearest != "":
		return text + fmt.Sprintf(" (did you mean %s?)", e.Nearest)
	case len(e.Has) > 0:
		return text + fmt.Sprintf(" (it has %s)", strings.Join(e.Has, ", "))
	}
	return text
}

// Resolve follows a path such as `sk.__sk_common.skc_dport`, `bufs->data[3]` or
// plain `sk` from one of the roots. Both . and -> pass through pointers, members
// of anonymous structs and unions count as their parent's, and an index counts
// elements of an array or from a pointer. A failure is a *PathError.
func (s *Spec) Resolve(roots []Param, path string) (Path, error) {
	w := walker{spec: s, text: path}
	if err := w.walk(roots); err != nil {
		err.Path = path
		return Path{}, err
	}
	return w.path, nil
}

// A walker stands at w.path, having read text up to pos.
type walker struct {
	spec *Spec
	text string
	pos  int
	path Path
	at   uint64 // the offset that is still growing
}

func (w *walker) walk(roots []Param) *PathError {
	if err := w.root(roots); err != nil {
		return err
	}
	for w.pos < len(w.text) {
		if err := w.step(); err != nil {
			return err
		}
	}
	return w.settle()
}

func (w *walker) root(roots []Param) *PathError {
	name := w.ident()
	if name == "" {
		return w.fail("expected the name of a parameter")
	}
	w.path.Root = slices.IndexFunc(roots, func(p Param) bool { return p.Name == name })
	if w.path.Root >= 0 {
		w.path.Type = roots[w.path.Root].Type
		return nil
	}
	var names []string
	for _, p := range roots {
		names = append(names, p.Name)
	}
	w.pos -= len(name)
	return w.unknown("parameter", name, "the function", names)
}

func (w *walker) step() *PathError {
	rest := w.text[w.pos:]
	switch {
	case w.path.Bits != 0:
		return w.fail("a bitfield has no members")
	case rest[0] == '.':
		w.pos++
		return w.field()
	case strings.HasPrefix(rest, "->"):
		w.pos += 2
		return w.field()
	case rest[0] == '[':
		return w.index()
	}
	return w.fail("expected . or -> or [ before %q", rest)
}

func (w *walker) ident() string {
	n := strings.IndexFunc(w.text[w.pos:], func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	})
	if n < 0 {
		n = len(w.text) - w.pos
	}
	w.pos += n
	return w.text[w.pos-n : w.pos]
}

func (w *walker) field() *PathError {
	t, err := w.spec.Strip(w.path.Type)
	for depth := 0; err == nil && t.Kind == Pointer && depth < maxDepth; depth++ {
		if err := w.follow(t.Elem); err != nil {
			return err
		}
		t, err = w.spec.Strip(t.Elem)
	}
	if err != nil {
		return w.fail("%v", err)
	}
	if t.Kind == Forward {
		return w.fail("%s is declared but not described in this kernel's BTF", w.spec.TypeString(t.ID))
	}
	if t.Kind != Struct && t.Kind != Union {
		return w.fail("%s is not a struct", w.spec.TypeString(w.path.Type))
	}
	name := w.ident()
	if name == "" {
		return w.fail("expected the name of a member")
	}
	search := memberSearch{spec: w.spec, name: name, seen: map[ID]bool{}}
	m, found, err := search.in(t.ID, 0)
	switch {
	case err != nil:
		return w.fail("%v", err)
	case !found:
		w.pos -= len(name)
		return w.unknown("member", name, w.spec.TypeString(t.ID), search.names)
	}
	w.path.Type, w.path.Bits, w.path.Shift = m.Type, m.Bits, m.Offset%8
	w.at += uint64(m.Offset / 8)
	return nil
}

func (w *walker) index() *PathError {
	end := strings.IndexByte(w.text[w.pos:], ']')
	if end < 0 {
		return w.fail("[ without ]")
	}
	digits := w.text[w.pos+1 : w.pos+end]
	n, err := strconv.ParseUint(digits, 0, 31)
	if err != nil {
		return w.fail("index %q is not a number", digits)
	}
	t, err := w.spec.Strip(w.path.Type)
	if err != nil {
		return w.fail("%v", err)
	}
	switch {
	case t.Kind == Pointer:
		if err := w.follow(t.Elem); err != nil {
			return err
		}
	case t.Kind != Array:
		return w.fail("%s is not an array", w.spec.TypeString(w.path.Type))
	case n >= uint64(t.Len) && t.Len > 0: // a last member may be declared with none
		return w.fail("index %d is outside %s", n, w.spec.TypeString(w.path.Type))
	}
	size, err := w.spec.Sizeof(t.Elem)
	if err != nil {
		return w.fail("%v", err)
	}
	w.at += n * uint64(size)
	w.path.Type = t.Elem
	w.pos += end + 1
	return nil
}

// follow goes through the pointer at the current place to an elem.
func (w *walker) follow(elem ID) *PathError {
	if err := w.settle(); err != nil {
		return err
	}
	w.at, w.path.Type = 0, elem
	return nil
}

// settle ends the growth of the current offset.
func (w *walker) settle() *PathError {
	if w.at > math.MaxInt32 {
		return w.fail("2 GiB or more from the start of its object")
	}
	w.path.Offsets = append(w.path.Offsets, uint32(w.at))
	return nil
}

func (w *walker) fail(format string, args ...any) *PathError {
	return &PathError{Offset: w.pos, Problem: fmt.Sprintf(format, args...)}
}

func (w *walker) unknown(what, name, owner string, names []string) *PathError {
	err := w.fail("%s has no %s %s", owner, what, name)
	slices.SortStableFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
	if len(names) > 0 && distance(name, names[0]) <= len(name)/3+1 {
		err.Nearest = names[0]
	}
	err.Has = names[:min(len(names), 8)]
	return err
}

// A memberSearch looks for a member also in anonymous members, and keeps the
// names that it passed.
type memberSearch struct {
	spec  *Spec
	name  string
	seen  map[ID]bool // a lying BTF may put a struct into itself
	names []string
}

func (f *memberSearch) in(id ID, base uint32) (Member, bool, error) {
	if f.seen[id] {
		return Member{}, false, nil
	}
	f.seen[id] = true
	members, err := f.spec.Members(id)
	for _, m := range members {
		m.Offset += base
		if m.Name == f.name {
			return m, true, nil
		}
		if m.Name != "" {
			f.names = append(f.names, m.Name)
			continue
		}
		t, err := f.spec.Strip(m.Type)
		if err != nil || t.Kind != Struct && t.Kind != Union {
			continue
		}
		if m, found, err := f.in(t.ID, m.Offset); found || err != nil {
			return m, found, err
		}
	}
	return Member{}, false, err
}

// distance is how unlike two names are: dport means skc_dport.
func distance(meant, name string) int {
	if len(meant) >= 3 && strings.Contains(name, meant) {
		return 1
	}
	return edits(meant, name)
}

// edits counts the bytes to insert, delete or replace to make a of b.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
