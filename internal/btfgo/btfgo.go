// Package btfgo shows BTF as Go types, lazily, pruned to the fields that a source
// names.
//
//	C                        Go
//	int, u8, size_t, enum    the sized integer; a typedef adds nothing
//	_Bool                    bool
//	struct s, union u        a type s or u; a union's fields overlap
//	struct s *               *s
//	void *                   unsafe.Pointer
//	int (*)(…)               uintptr
//	char[16]                 string
//	int[4]                   [4]int32
//	anonymous member         an embedded struct, whose fields are promoted
//	field called type        _type, for any word of Go
//
// A type whose plain name the file declares for something else is struct_s. Go's
// type checker sees a package of ordinary structs; where a field lies is told by
// Field.
package btfgo

import (
	"go/constant"
	"go/token"
	"go/types"
	"strconv"

	"ktrap/internal/btf"
)

// Types are the kernel's types in a package.
type Types struct {
	spec   *btf.Spec
	pkg    *types.Package
	scope  *types.Scope // of types that the source does not name
	wanted map[string]bool
	named  map[btf.ID]*types.Named
	ids    map[*types.Named]btf.ID
	fields map[*types.Var]Field
	todo   []btf.ID
	known  map[btf.ID]bool
}

// Field is where a member lies.
type Field struct {
	Offset int    // bytes from the start of its struct
	Shift  int    // of a bitfield: bits from there
	Bits   int    // of a bitfield: its width, else 0
	Type   btf.ID // of the member
}

// New shows spec, which may be nil, in pkg. Only fields whose name is wanted are
// shown.
func New(spec *btf.Spec, pkg *types.Package, wanted map[string]bool) *Types {
	t := &Types{
		spec: spec, pkg: pkg, wanted: wanted,
		named: map[btf.ID]*types.Named{}, ids: map[*types.Named]btf.ID{},
		fields: map[*types.Var]Field{}, known: map[btf.ID]bool{},
	}
	// go/types looks for a type's parent scope when a generic function is
	// instantiated with it.
	t.scope = types.NewScope(pkg.Scope(), token.NoPos, token.NoPos, "kernel")
	return t
}

// Declare puts the kernel's type or constant of a name into the package's scope.
func (t *Types) Declare(name string) {
	if t.spec == nil {
		return
	}
	if id, ok := t.lookUp(name); ok {
		if typ, ok := t.Type(id); ok {
			t.pkg.Scope().Insert(types.NewTypeName(token.NoPos, t.pkg, name, typ))
		}
		return
	}
	if v, ok := t.enumerator(name); ok {
		t.pkg.Scope().Insert(types.NewConst(token.NoPos, t.pkg, name, types.Typ[types.UntypedInt], constant.MakeInt64(v)))
	}
}

func (t *Types) enumerator(name string) (value int64, ok bool) {
	for spec := t.spec; spec != nil && !ok; spec = spec.Base() {
		value, ok = spec.Enumerator(name)
	}
	return value, ok
}

// lookUp finds a type by its name in a source: of several, the first that is
// described, a module's own before the kernel's.
func (t *Types) lookUp(name string) (btf.ID, bool) {
	for _, kinds := range [][]btf.Kind{{btf.Struct, btf.Union}, {btf.Typedef, btf.Enum, btf.Enum64}} {
		for spec := t.spec; spec != nil; spec = spec.Base() {
			if ids := spec.Types(plain(name), kinds...); len(ids) > 0 {
				return ids[0], true
			}
		}
	}
	return 0, false
}

// plain takes off what a source puts before a name that Go or the source uses
// for something else.
func plain(name string) string {
	for _, prefix := range []string{"struct_", "union_"} {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			return name[len(prefix):]
		}
	}
	if len(name) > 1 && name[0] == '_' && token.IsKeyword(name[1:]) {
		return name[1:]
	}
	return name
}

// Type is the Go type of a BTF type; false where there is none.
func (t *Types) Type(id btf.ID) (types.Type, bool) {
	typ := t.typ(id, 0)
	for len(t.todo) > 0 {
		next := t.todo[0]
		t.todo = t.todo[1:]
		t.complete(next)
	}
	return typ, typ != nil
}

// ID is the kernel's struct that a type shows; 0 for any other type.
func (t *Types) ID(typ types.Type) btf.ID {
	n, _ := types.Unalias(typ).(*types.Named)
	return t.ids[n]
}

// Field says where a field lies that a struct of the kernel shows.
func (t *Types) Field(v *types.Var) (Field, bool) {
	f, ok := t.fields[v]
	return f, ok
}

// Size is how many bytes a struct of the kernel has.
func (t *Types) Size(typ types.Type) int {
	size, _ := t.spec.Sizeof(t.ID(typ))
	return int(size)
}

const maxDepth = 32

func (t *Types) typ(id btf.ID, depth int) types.Type {
	typ, err := t.spec.Strip(id)
	if err != nil || depth > maxDepth {
		return nil
	}
	switch typ.Kind {
	case btf.Int, btf.Enum, btf.Enum64:
		return integer(typ)
	case btf.Pointer:
		return t.pointer(typ, depth)
	case btf.Array:
		return t.array(typ, depth)
	case btf.Struct, btf.Union, btf.Forward:
		return t.structure(typ, t.nameOf(id, typ))
	case btf.Float:
		return types.NewArray(types.Typ[types.Uint8], int64(typ.Size))
	}
	return nil
}

func integer(t btf.Type) types.Type {
	if t.Bool {
		return types.Typ[types.Bool]
	}
	signed, unsigned := types.Int8, types.Uint8
	switch t.Size {
	case 1:
	case 2:
		signed, unsigned = types.Int16, types.Uint16
	case 4:
		signed, unsigned = types.Int32, types.Uint32
	case 8:
		signed, unsigned = types.Int64, types.Uint64
	default:
		return types.NewArray(types.Typ[types.Uint8], int64(t.Size))
	}
	if t.Signed {
		return types.Typ[signed]
	}
	return types.Typ[unsigned]
}

func (t *Types) pointer(p btf.Type, depth int) types.Type {
	to, err := t.spec.Strip(p.Elem)
	switch {
	case err != nil:
		return nil
	case to.Kind == btf.FuncProto:
		return types.Typ[types.Uintptr]
	case to.Kind == btf.Void:
		return types.Typ[types.UnsafePointer]
	case to.Char():
		return types.NewPointer(types.Typ[types.Int8])
	}
	elem := t.typ(p.Elem, depth+1)
	if elem == nil {
		return types.Typ[types.UnsafePointer]
	}
	return types.NewPointer(elem)
}

// endless is the length of an array that its struct declares without one.
const endless = 1 << 20

func (t *Types) array(a btf.Type, depth int) types.Type {
	elem, err := t.spec.Strip(a.Elem)
	if err != nil {
		return nil
	}
	if elem.Char() {
		return types.Typ[types.String]
	}
	typ := t.typ(a.Elem, depth+1)
	if typ == nil {
		return nil
	}
	if a.Len == 0 {
		return types.NewArray(typ, endless)
	}
	return types.NewArray(typ, int64(a.Len))
}

// nameOf is the type's own name, or that of the typedef that leads to it.
func (t *Types) nameOf(id btf.ID, typ btf.Type) string {
	for range maxDepth {
		if typ.Name != "" {
			return typ.Name
		}
		at, err := t.spec.Type(id)
		if err != nil || at.ID == typ.ID {
			break
		}
		if at.Kind == btf.Typedef {
			return at.Name
		}
		id = at.Elem
	}
	return unnamed(typ.ID)
}

// unnamed is the name of a type that has none.
func unnamed(id btf.ID) string { return "anonymous" + strconv.Itoa(int(id)) }

func (t *Types) structure(typ btf.Type, name string) types.Type {
	if n := t.named[typ.ID]; n != nil {
		return n
	}
	obj := types.NewTypeName(token.NoPos, t.pkg, name, nil)
	if t.scope.Insert(obj) != nil { // another definition of that name
		obj = types.NewTypeName(token.NoPos, t.pkg, name+"_"+strconv.Itoa(int(typ.ID)), nil)
		t.scope.Insert(obj)
	}
	n := types.NewNamed(obj, types.NewStruct(nil, nil), nil)
	t.named[typ.ID], t.ids[n] = n, typ.ID
	if typ.Kind != btf.Forward {
		t.todo = append(t.todo, typ.ID)
	}
	return n
}
