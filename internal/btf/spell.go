package btf

import (
	"strconv"
	"strings"
)

// TypeString spells a type as C does: `const char *`, `u8[16]`,
// `int (*)(struct file *)`. Tags are left out. What cannot be read is "?".
func (s *Spec) TypeString(id ID) string {
	w := speller{spec: s, left: 256}
	return w.spell(id, "")
}

// A speller stops after a number of types, as those of a lying BTF may unfold
// without end.
type speller struct {
	spec *Spec
	left int
}

// spell writes the type of a declaration whose other half, as C has it, is
// inner: spell(int, "(*)[4]") is `int (*)[4]`.
func (w *speller) spell(id ID, inner string) string {
	if w.left--; w.left < 0 {
		return join("…", inner)
	}
	t, err := w.spec.Type(id)
	if err != nil {
		return join("?", inner)
	}
	switch t.Kind {
	case Pointer:
		return w.spell(t.Elem, w.star(t.Elem, inner))
	case Array:
		return w.spell(t.Elem, inner+"["+strconv.FormatUint(uint64(t.Len), 10)+"]")
	case FuncProto:
		return w.spell(t.Elem, inner+"("+w.params(id)+")")
	case Func:
		return w.spell(t.Elem, t.Name)
	case Const, Volatile, Restrict:
		if w.under(t.Elem) == Pointer {
			return w.spell(t.Elem, join(t.Kind.String(), inner))
		}
		return t.Kind.String() + " " + w.spell(t.Elem, inner)
	case TypeTag:
		return w.spell(t.Elem, inner)
	}
	return join(t.base(), inner)
}

func join(base, inner string) string {
	if inner == "" || inner[0] == '[' {
		return base + inner
	}
	return base + " " + inner
}

// star adds the star of a pointer to elem.
func (w *speller) star(elem ID, inner string) string {
	if k := w.under(elem); k == Array || k == FuncProto {
		return "(*" + inner + ")"
	}
	return "*" + inner
}

// under is the kind below qualifiers and tags, but not below a typedef.
func (w *speller) under(id ID) Kind {
	for range maxDepth {
		r, err := w.spec.record(id)
		if err != nil {
			break
		}
		if k := r.kind(); !k.Alias() || k == Typedef {
			return k
		}
		id = r.ref()
	}
	return Void
}

func (w *speller) params(proto ID) string {
	r, err := w.spec.record(proto)
	if err != nil {
		return "?"
	}
	if r.vlen() == 0 {
		return "void"
	}
	var list []string
	for i := 0; i < r.vlen() && w.left > 0; i++ {
		if t := ID(le.Uint32(r.elem(i, 8)[4:])); t == 0 && i == r.vlen()-1 {
			list = append(list, "...")
		} else {
			list = append(list, w.spell(t, ""))
		}
	}
	return strings.Join(list, ", ")
}

// base spells a type that stands by itself.
func (t Type) base() string {
	name := t.Name
	if name == "" {
		name = "{...}"
	}
	switch t.Kind {
	case Void:
		return "void"
	case Struct:
		return "struct " + name
	case Union:
		return "union " + name
	case Enum, Enum64:
		return "enum " + name
	case Forward:
		if t.Union {
			return "union " + name
		}
		return "struct " + name
	case Int, Float, Typedef:
		return name
	}
	return strings.TrimSpace(t.Kind.String() + " " + t.Name)
}
