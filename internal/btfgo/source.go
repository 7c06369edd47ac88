package btfgo

import (
	"fmt"
	"go/token"
	"go/types"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ktrap/internal/btf"
)

// A Source writes kernel types down as Go, for readers that do not have BTF: those
// near what was touched with all their fields, those farther off without any. What
// is anonymous in a struct is written into it, and an array without an end is a
// slice: layouts are not those of the kernel.
type Source struct {
	types *Types
	taken map[string]bool // names that the package has for something else
	names map[btf.ID]string
	owned map[string]bool // names given to types
	near  [][]btf.ID      // by how many steps off
	level map[btf.ID]int  // of those in near
	decls map[string]string
	bare  map[string]bool // the names of types without fields
	size  int
}

// maxSource is the most bytes that are written: all types of a kernel take 2 MB.
const maxSource = 32 << 20

// NewSource writes types with all fields that are at most depth steps from those
// touched.
func (t *Types) NewSource(depth int, taken map[string]bool) *Source {
	return &Source{
		types: t, taken: taken, names: map[btf.ID]string{}, owned: map[string]bool{},
		near: make([][]btf.ID, depth+2), level: map[btf.ID]int{}, decls: map[string]string{}, bare: map[string]bool{},
	}
}

// Name writes the kernel's type or constant of a name, and reports whether there is
// one. Types are to be named before they are touched.
func (s *Source) Name(name string) bool {
	if s.types.spec == nil {
		return false
	}
	if id, ok := s.types.lookUp(name); ok {
		return s.nameType(name, id)
	}
	v, ok := s.types.enumerator(name)
	if ok {
		s.declare(name, fmt.Sprintf("const %s = %d", name, v))
	}
	return ok
}

func (s *Source) nameType(name string, id btf.ID) bool {
	typ, ok := s.types.Type(id)
	if !ok {
		return false
	}
	at := s.types.ID(typ)
	if at != 0 && s.names[at] == "" {
		s.names[at], s.owned[name] = name, true
		s.come(at, len(s.near)-1)
		return true
	}
	s.declare(name, "type "+name+" = "+s.spell(typ, name, len(s.near)-1))
	return true
}

// Touch writes the fields of a kernel's struct, which a type is or leads to, and of
// those near it; farther is how many steps off it counts as being itself.
func (s *Source) Touch(t types.Type, farther int) {
	for {
		switch u := types.Unalias(t).(type) {
		case *types.Pointer:
			t = u.Elem()
			continue
		case *types.Array:
			t = u.Elem()
			continue
		}
		break
	}
	if id := s.types.ID(t); id != 0 {
		s.come(id, min(farther, len(s.near)-1))
	}
}

// come notes a struct to be written, and at how many steps.
func (s *Source) come(id btf.ID, steps int) {
	if at, known := s.level[id]; known && at <= steps {
		return
	}
	s.level[id] = steps
	s.near[steps] = append(s.near[steps], id)
}

// Text is all of it, by name; the types without fields come last.
func (s *Source) Text() (string, error) {
	for steps := range s.near {
		for _, id := range s.named(s.near[steps]) {
			if s.level[id] == steps {
				s.structure(id, steps)
			}
			if s.size > maxSource {
				return "", fmt.Errorf("the kernel's types take more than %d MiB as Go", maxSource>>20)
			}
		}
	}
	return s.sorted(), nil
}

// named puts those last that the kernel has no name for: they are called after the
// first field that is found to have them.
func (s *Source) named(ids []btf.ID) []btf.ID {
	var last []btf.ID
	first := slices.DeleteFunc(slices.Clone(ids), func(id btf.ID) bool {
		anonymous := s.types.named[id].Obj().Name() == unnamed(id)
		if anonymous {
			last = append(last, id)
		}
		return anonymous
	})
	return append(first, last...)
}

// sorted puts the declarations in the order of their names.
func (s *Source) sorted() string {
	var full, bare strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.decls)) {
		if s.bare[name] {
			bare.WriteString("\n" + s.decls[name] + "\n")
		} else {
			full.WriteString("\n" + s.decls[name] + "\n")
		}
	}
	return full.String() + bare.String()
}

func (s *Source) declare(name, text string) {
	s.decls[name] = text
	s.size += len(text)
}

// structure writes a struct, with its fields if it is near.
func (s *Source) structure(id btf.ID, steps int) {
	if s.names[id] == "" {
		s.names[id] = s.newName(id, s.types.named[id].Obj().Name(), unnamed(id))
	}
	name := s.names[id]
	typ, err := s.types.spec.Type(id)
	if err != nil {
		return
	}
	if steps == len(s.near)-1 || typ.Kind == btf.Forward {
		s.bare[name] = true
		s.declare(name, "type "+name+" struct{}")
		return
	}
	all := fields{source: s, owner: name, steps: steps + 1, names: map[string]bool{}, inside: map[btf.ID]bool{}}
	all.add(id)
	what := fmt.Sprintf("// A %s of %d bytes.\n", typ.Kind, typ.Size)
	if typ.Kind == btf.Union {
		what = fmt.Sprintf("// A union of %d bytes: its fields lie over each other.\n", typ.Size)
	}
	s.declare(name, what+"type "+name+" struct"+all.block())
}

// fields are those of a struct, its anonymous members' among them.
type fields struct {
	source *Source
	owner  string
	steps  int
	list   [][2]string // name, type
	names  map[string]bool
	inside map[btf.ID]bool // anonymous members that were written in
}

func (f *fields) add(id btf.ID) {
	members, err := f.source.types.spec.Members(id)
	if err != nil || f.inside[id] {
		return
	}
	f.inside[id] = true
	for _, m := range members {
		name := fieldName(m.Name)
		if m.Name == "" {
			if inner, err := f.source.types.spec.Strip(m.Type); err == nil {
				f.add(inner.ID)
			}
			continue
		}
		if typ := f.source.types.typ(m.Type, 0); typ != nil && !f.names[name] && token.IsIdentifier(name) && name != "_" {
			f.names[name] = true
			f.list = append(f.list, [2]string{name, f.source.spell(typ, f.owner+"_"+m.Name, f.steps)})
		}
	}
}

// block is the fields as gofmt has them.
func (f *fields) block() string {
	if len(f.list) == 0 {
		return "{}"
	}
	width := 0
	for _, field := range f.list {
		width = max(width, len(field[0]))
	}
	var text strings.Builder
	text.WriteString(" {\n")
	for _, field := range f.list {
		fmt.Fprintf(&text, "\t%-*s %s\n", width, field[0], field[1])
	}
	return text.String() + "}"
}

// spell writes a type; what has no name of its own is called after the place it is
// found at. A struct in it is noted to be written.
func (s *Source) spell(t types.Type, at string, steps int) string {
	switch t := types.Unalias(t).(type) {
	case *types.Pointer:
		return "*" + s.spell(t.Elem(), at, steps)
	case *types.Array:
		if t.Len() == endless {
			return "[]" + s.spell(t.Elem(), at, steps)
		}
		return "[" + strconv.FormatInt(t.Len(), 10) + "]" + s.spell(t.Elem(), at, steps)
	case *types.Named:
		id := s.types.ids[t]
		if s.names[id] == "" {
			s.names[id] = s.newName(id, t.Obj().Name(), at)
		}
		s.come(id, min(steps, len(s.near)-1))
		return s.names[id]
	}
	return t.String()
}

// newName is the kernel's own name for a struct, unless that is taken: then it has
// struct_ before it, as in a handler.
func (s *Source) newName(id btf.ID, name, at string) string {
	if name == unnamed(id) {
		name = at
	}
	if !token.IsIdentifier("_" + name) {
		name = unnamed(id)
	}
	for s.taken[name] || s.owned[name] || token.IsKeyword(name) || types.Universe.Lookup(name) != nil {
		if !strings.HasPrefix(name, "struct_") {
			name = "struct_" + name
		} else {
			name += "_" + strconv.Itoa(int(id))
		}
	}
	s.owned[name] = true
	return name
}
