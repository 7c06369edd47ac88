package build

import (
	"go/ast"
	"go/constant"
	"go/types"
	"math"
	"reflect"
	"strconv"

	"ktrap/internal/compile/front"
	"ktrap/internal/diag"
	"ktrap/internal/object"
)

// Shared is what the handlers of one file have in common.
type Shared struct {
	*front.File
	Maps     []object.Map
	Records  []object.Record
	vars     map[*types.Var]int // offset in the variables' map
	maps     map[*types.Var]*table
	layouts  map[*types.Struct]*layout
	pairs    map[*front.Pair]*pair
	assigned map[*types.Var][]ast.Expr
	past     map[types.Object]*history
	zeros    int // bytes of the largest aggregate, which begins as zeros
	zerosAt  int // in the variables' map
}

// A table is a map or histogram of the file.
type table struct {
	index    int32
	key, val types.Type // no key: it is a hist or stat of its own
	keySize  int
}

// varsMap is the index of the map that holds the file's variables, if it has any.
const varsMap = 0

// Share lays out the file's variables and maps.
func Share(f *front.File) *Shared {
	s := &Shared{File: f, vars: map[*types.Var]int{}, maps: map[*types.Var]*table{}, layouts: map[*types.Struct]*layout{}, pairs: map[*front.Pair]*pair{}}
	s.Maps = []object.Map{{Name: object.Vars, Kind: object.ArrayMap, KeySize: 4, Entries: 1}}
	for _, g := range f.Globals {
		s.global(g)
	}
	for i := range s.Maps {
		s.overflow(i)
	}
	s.steps()
	if s.zeros > 0 {
		s.zerosAt = s.hidden(s.zeros)
	}
	vars := &s.Maps[varsMap]
	if vars.ValueSize = (len(vars.Init) + 7) &^ 7; vars.ValueSize == 0 {
		vars.ValueSize = 8
	}
	vars.Init = append(vars.Init, make([]byte, vars.ValueSize-len(vars.Init))...)
	return s
}

// Limits that the kernel sets: MAX_BPF_STACK for keys, KMALLOC_MAX_SIZE for values.
const (
	maxKey   = 512
	maxValue = 4 << 10
	maxVars  = 1 << 20
	entries  = 10240 // of a map
)

func (s *Shared) global(g *front.Global) {
	name := g.Obj.Name()
	switch t := g.Obj.Type().Underlying().(type) {
	case *types.Map:
		s.table(g, t)
		return
	case *types.Struct:
		if s.single(g) {
			return
		}
	}
	size, align := s.size(g.Obj.Type(), 0)
	vars := &s.Maps[varsMap]
	at := (len(vars.Init) + align - 1) &^ (align - 1)
	if size == 0 || at+size > maxVars {
		s.Fail(g.Spec, diag.ValueSize, name+" of type "+s.TypeString(g.Obj.Type())+" can't be a variable of the file", "")
		return
	}
	vars.Init = append(vars.Init, make([]byte, at+size-len(vars.Init))...)
	initialise(vars.Init[at:], g.Init, size)
	s.vars[g.Obj] = at
	vars.Fields = append(vars.Fields, s.field(name, g.Obj.Type(), at, size))
}

func initialise(to []byte, v constant.Value, size int) {
	if v == nil {
		return
	}
	switch v.Kind() {
	case constant.String:
		copy(to[:size-1], constant.StringVal(v))
	case constant.Bool:
		if constant.BoolVal(v) {
			to[0] = 1
		}
	default:
		bits := word(v)
		for i := range size {
			to[i] = byte(bits >> (8 * i))
		}
	}
}

// word is an integer constant's bits.
func word(v constant.Value) int64 {
	v = constant.ToInt(v)
	if i, ok := constant.Int64Val(v); ok {
		return i
	}
	u, _ := constant.Uint64Val(v)
	return int64(u)
}

func (s *Shared) table(g *front.Global, t *types.Map) {
	m := object.Map{Name: g.Obj.Name(), Kind: object.HashMap, Entries: entries}
	m.KeySize, _ = s.size(t.Key(), s.keyBound(g))
	if !s.aggregate(&m, g, t.Elem()) {
		m.ValueSize, _ = s.size(t.Elem(), 0)
		m.Value = s.field("value", t.Elem(), 0, m.ValueSize)
	}
	switch {
	case m.KeySize == 0 || m.KeySize > maxKey/2:
		s.Fail(g.Spec, diag.KeySize, "a key of type "+s.TypeString(t.Key())+" can't be that of a map", "at most 256 bytes: integers, strings, and structs and arrays of them")
		return
	case m.ValueSize == 0 || m.ValueSize > maxValue:
		s.Fail(g.Spec, diag.ValueSize, "a value of type "+s.TypeString(t.Elem())+" can't be that of a map", "")
		return
	}
	if g.Init != nil {
		s.Fail(g.Spec, diag.GlobalInit, "a map begins empty", "")
	}
	m.Key = s.field("key", t.Key(), 0, m.KeySize)
	s.maps[g.Obj] = &table{index: int32(len(s.Maps)), key: t.Key(), val: t.Elem(), keySize: m.KeySize}
	s.Maps = append(s.Maps, m)
}

// isWord reports whether t is a type that the words declare.
func (s *Shared) isWord(t types.Type, name string) bool {
	n, ok := types.Unalias(t).(*types.Named)
	return ok && n.Obj().Name() == name && s.Fset.Position(n.Obj().Pos()).Filename == "words"
}

// stringSize is how many bytes a string takes, with its NUL, where nothing else
// is said: as many as a thread's name.
const stringSize = 16

// A layout says where the fields of a handler's own struct lie.
type layout struct {
	offsets, sizes []int
	size, align    int
}

// size returns a type's size and alignment as a value of our own; 0 for a type
// that can't be one. bound is the size of a string, 0 for the usual.
func (s *Shared) size(t types.Type, bound int) (size, align int) {
	switch {
	case s.isWord(t, "stack"):
		return 8, 8
	case s.isWord(t, "hist"), s.isWord(t, "stat"):
		return 0, 1 // a variable of the file or a map's value, and no part of another
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		if u.Info()&types.IsString != 0 {
			return max(bound, stringSize*btoi(bound == 0)), 1
		}
		if n, ok := scalar(u); ok {
			return n.bits / 8, n.bits / 8
		}
	case *types.Pointer:
		return 8, 8
	case *types.Array:
		size, align = s.size(u.Elem(), 0)
		if u.Len() > maxVars || size*int(u.Len()) > maxVars {
			return 0, 1
		}
		return size * int(u.Len()), max(align, 1)
	case *types.Struct:
		if s.Kernel.ID(t) != 0 {
			return 0, 1
		}
		l := s.layout(u)
		return l.size, l.align
	}
	return 0, 1
}

// room is how many bytes field i has to itself: up to the next one's.
func (l *layout) room(i int) int {
	if i+1 < len(l.offsets) {
		return l.offsets[i+1] - l.offsets[i]
	}
	return l.size - l.offsets[i]
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *Shared) layout(t *types.Struct) *layout {
	if l := s.layouts[t]; l != nil {
		return l
	}
	l := &layout{align: 1}
	s.layouts[t] = l
	for i := range t.NumFields() {
		size, align := s.size(t.Field(i).Type(), tagSize(t.Tag(i)))
		if size == 0 {
			l.size = 0
			return l
		}
		l.size = (l.size + align - 1) &^ (align - 1)
		l.offsets, l.sizes = append(l.offsets, l.size), append(l.sizes, size)
		l.size += size
		l.align = max(l.align, align)
	}
	l.size = (l.size + l.align - 1) &^ (l.align - 1)
	return l
}

// tagSize is the size that a string field's tag asks for: `size:"64"`.
func tagSize(tag string) int {
	n, err := strconv.Atoi(reflect.StructTag(tag).Get("size"))
	if err != nil || n < 1 || n > math.MaxUint8 {
		return 0
	}
	return n
}
