package btfgo

import (
	"go/token"
	"go/types"
	"strconv"

	"ktrap/internal/btf"
)

// complete gives a struct the fields that the source names.
func (t *Types) complete(id btf.ID) {
	members, err := t.spec.Members(id)
	if err != nil {
		return
	}
	var fields []*types.Var
	names := map[string]bool{} // a lying BTF may have a field twice
	for i, m := range members {
		if f := t.member(m, i); f != nil && !names[f.Name()] {
			names[f.Name()] = true
			fields = append(fields, f)
		}
	}
	t.named[id].SetUnderlying(types.NewStruct(fields, nil))
}

func (t *Types) member(m btf.Member, i int) *types.Var {
	name, embedded := fieldName(m.Name), m.Name == ""
	if embedded {
		if !t.holds(m.Type, 0) {
			return nil
		}
		name = "anonymous" + strconv.Itoa(i)
	} else if !t.wanted[name] {
		return nil
	}
	typ := t.typ(m.Type, 0)
	if typ == nil {
		return nil
	}
	v := types.NewField(token.NoPos, t.pkg, name, typ, embedded)
	f := Field{Offset: int(m.Offset / 8), Type: m.Type}
	if m.Bits != 0 {
		f.Shift, f.Bits = int(m.Offset%8), int(m.Bits)
	}
	t.fields[v] = f
	return v
}

// fieldName is how a source spells a member.
func fieldName(name string) string {
	if token.IsKeyword(name) {
		return "_" + name
	}
	return name
}

// holds reports whether an anonymous member has a field that the source names.
func (t *Types) holds(id btf.ID, depth int) bool {
	typ, err := t.spec.Strip(id)
	if err != nil || depth > maxDepth || typ.Kind != btf.Struct && typ.Kind != btf.Union {
		return false
	}
	if answer, asked := t.known[typ.ID]; asked {
		return answer
	}
	t.known[typ.ID] = false // a lying BTF may put a struct into itself
	members, _ := t.spec.Members(typ.ID)
	for _, m := range members {
		if m.Name == "" && t.holds(m.Type, depth+1) || t.wanted[fieldName(m.Name)] {
			t.known[typ.ID] = true
			break
		}
	}
	return t.known[typ.ID]
}

// Fields names all fields of a struct of the kernel, as a source spells them;
// nil for any other type.
func (t *Types) Fields(typ types.Type) []string {
	id := t.ID(typ)
	if id == 0 {
		return nil
	}
	return t.fieldsOf(id, nil, map[btf.ID]bool{})
}

// fieldsOf adds a struct's fields, and those of each anonymous struct in it once: a
// lying BTF may put two into each.
func (t *Types) fieldsOf(id btf.ID, names []string, seen map[btf.ID]bool) []string {
	members, err := t.spec.Members(id)
	if err != nil || seen[id] {
		return names
	}
	seen[id] = true
	for _, m := range members {
		switch inner, err := t.spec.Strip(m.Type); {
		case m.Name != "":
			names = append(names, fieldName(m.Name))
		case err == nil && (inner.Kind == btf.Struct || inner.Kind == btf.Union):
			names = t.fieldsOf(inner.ID, names, seen)
		}
	}
	return names
}
