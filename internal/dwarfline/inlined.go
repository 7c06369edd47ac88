package dwarfline

import (
	"bytes"
	"context"
	"debug/dwarf"
	"fmt"
	"iter"
)

// Copy is a place where a function was inlined.
type Copy struct {
	Func string // the function whose code holds it
	Addr uint64 // where it begins, as linked
	Call Frame  // the line that calls it; its Func may be inlined itself
}

// Inlined yields the copies of a function, unit by unit. For a kernel it reads
// all of .debug_info, some tenths of a second, and of the units that name the
// function each entry; for one that a header has in every unit that is half a
// minute, so end ctx or the loop when you have enough.
func (f *File) Inlined(ctx context.Context, name string) iter.Seq2[Copy, error] {
	return func(yield func(Copy, error) bool) {
		patterns := f.namings(name)
		for at, body := range f.units() {
			if err := ctx.Err(); err != nil {
				yield(Copy{}, fmt.Errorf("look for copies of %s: %w", name, err))
				return
			}
			if !containsAny(body, patterns) {
				continue
			}
			copies, err := f.copies(at, name)
			for _, c := range copies {
				if !yield(c, nil) {
					return
				}
			}
			if err != nil && !yield(Copy{}, fmt.Errorf("look for copies of %s: %w", name, err)) {
				return
			}
		}
	}
}

// namings are the bytes by which a unit may name something: the offset of the
// name in .debug_str, at every place where it stands, which may be the end of a
// longer name; or the name itself if it is as short as that.
func (f *File) namings(name string) [][]byte {
	if len(f.sections[".debug_str_offsets"]) > 0 {
		return [][]byte{{}} // names are numbered a second time: every unit may
	}
	text := append([]byte(name), 0)
	var all [][]byte
	if len(text) <= 8 {
		all = append(all, text)
	}
	str := f.sections[".debug_str"]
	for from := 0; ; {
		i := bytes.Index(str[from:], text)
		if i < 0 || len(all) > manyNamings {
			break
		}
		offset := make([]byte, 4)
		f.order.PutUint32(offset, uint32(from+i))
		all = append(all, offset)
		from += i + 1
	}
	if len(all) > manyNamings {
		return [][]byte{{}}
	}
	return all
}

// manyNamings is from how many patterns on reading every unit is no slower.
const manyNamings = 64

func containsAny(body []byte, patterns [][]byte) bool {
	for _, p := range patterns {
		if bytes.Contains(body, p) {
			return true
		}
	}
	return false
}

// copies reads every entry of a unit.
func (f *File) copies(at uint64, name string) (found []Copy, err error) {
	defer guard(&err)
	defer faults()()
	u, err := f.open(at)
	if err != nil {
		return nil, nil // a unit of another kind
	}
	var in []scope
	r := u.data.Reader()
	for {
		e, err := u.next(r)
		if err != nil || e == nil {
			return found, err
		}
		if e.Tag == 0 {
			in = in[:max(len(in)-1, 0)]
			continue
		}
		if e.Tag == dwarf.TagInlinedSubroutine && u.name(e) == name && len(in) > 0 {
			c, err := u.copyOf(f, e, in[len(in)-1])
			if err != nil {
				return found, err
			}
			found = append(found, c)
		}
		if e.Children {
			in = append(in, u.scope(e, in))
		}
	}
}

// scope is which functions an entry's children are in.
type scope struct {
	function string // the one with code
	nearest  string // maybe inlined
}

func (u *unit) scope(e *dwarf.Entry, in []scope) (s scope) {
	if len(in) > 0 {
		s = in[len(in)-1]
	}
	switch e.Tag {
	case dwarf.TagSubprogram:
		name := u.name(e)
		s = scope{name, name}
	case dwarf.TagInlinedSubroutine:
		s.nearest = u.name(e)
	}
	return s
}

func (u *unit) copyOf(f *File, e *dwarf.Entry, in scope) (Copy, error) {
	if err := u.readRows(f); err != nil {
		return Copy{}, err
	}
	c, err := u.call(e)
	copied := Copy{Func: in.function, Call: Frame{File: u.file(c.file), Line: int(c.line), Func: in.nearest}}
	if len(c.ranges) > 0 {
		copied.Addr = c.ranges[0][0]
	}
	return copied, err
}
