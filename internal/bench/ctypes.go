package main

import (
	"fmt"
	"regexp"
	"strings"

	"ktrap/internal/btf"
)

// cTypes is the kernel's structs as C, for the sources of twins: only those that a
// source names or reaches, with those fields only that it names, each at its offset
// by padding of its own. So the compiler bakes the offsets in, as ktrap does.
func cTypes(spec *btf.Spec, source string) (string, error) {
	w := &cWriter{spec: spec, named: map[string]bool{}, done: map[btf.ID]bool{}}
	for _, word := range regexp.MustCompile(`\w+`).FindAllString(source, -1) {
		w.named[word] = true
	}
	for _, tag := range regexp.MustCompile(`struct (\w+) \*|CAST\((\w+)`).FindAllStringSubmatch(source, -1) {
		for _, id := range spec.Types(tag[1]+tag[2], btf.Struct) {
			w.structure(id)
			break
		}
	}
	return w.out.String(), w.err
}

type cWriter struct {
	spec  *btf.Spec
	named map[string]bool // words of the source
	done  map[btf.ID]bool
	pads  int
	out   strings.Builder
	err   error
}

func (w *cWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// structure writes a struct behind those that it needs.
func (w *cWriter) structure(id btf.ID) {
	if w.done[id] {
		return
	}
	w.done[id] = true
	t, err := w.spec.Type(id)
	if err != nil {
		w.fail(err)
		return
	}
	body := w.members(id, 0)
	if t.Name == "" {
		return
	}
	fmt.Fprintf(&w.out, "struct %s {\n\tunion {\n%s\t\tchar size_[%d];\n\t};\n};\nenum { id_%s = %d };\n", t.Name, body, t.Size, t.Name, id)
}

// members are a struct's fields, those of its anonymous members among them.
func (w *cWriter) members(id btf.ID, base uint32) string {
	list, err := w.spec.Members(id)
	if err != nil {
		w.fail(err)
	}
	var b strings.Builder
	for _, m := range list {
		switch bits := base + m.Offset; {
		case m.Name == "":
			if t, err := w.spec.Strip(m.Type); err == nil && (t.Kind == btf.Struct || t.Kind == btf.Union) {
				b.WriteString(w.members(t.ID, bits))
			}
		case !w.named[m.Name]:
		case m.Bits != 0:
			b.WriteString(w.bitfield(m, bits))
		default:
			fmt.Fprintf(&b, "\t\tstruct { %s%s; };\n", w.pad(bits/8), w.declare(m.Type, m.Name))
		}
	}
	return b.String()
}

func (w *cWriter) pad(bytes uint32) string {
	if bytes == 0 {
		return ""
	}
	w.pads++
	return fmt.Sprintf("char pad%d_[%d]; ", w.pads, bytes)
}

// bitfield is a field of bits, and the fewest aligned bytes that it lies in.
func (w *cWriter) bitfield(m btf.Member, first uint32) string {
	size := uint32(8)
	for _, s := range []uint32{1, 2, 4} {
		if first/(8*s) == (first+m.Bits-1)/(8*s) {
			size = s
			break
		}
	}
	at := first / (8 * size) * size
	shift, unit := first-8*at, fmt.Sprintf("u%d", 8*size)
	gap := ""
	if shift > 0 {
		gap = fmt.Sprintf("%s : %d; ", unit, shift)
	}
	fmt.Fprintf(&w.out, "enum { %s_shift = %d, %s_bits = %d };\n", m.Name, shift, m.Name, m.Bits)
	return fmt.Sprintf("\t\tstruct { %s%s%s %s : %d; };\n\t\tstruct { %s%s %s_word; };\n", w.pad(at), gap, unit, m.Name, m.Bits, w.pad(at), unit, m.Name)
}

// declare is a C declaration of a field.
func (w *cWriter) declare(id btf.ID, name string) string {
	t, err := w.spec.Strip(id)
	if err != nil {
		w.fail(err)
	}
	switch t.Kind {
	case btf.Pointer:
		return w.pointer(t, name)
	case btf.Array:
		return w.declare(t.Elem, fmt.Sprintf("%s[%d]", name, t.Len))
	case btf.Struct, btf.Union:
		if t.Name == "" || t.Kind == btf.Union {
			return fmt.Sprintf("union {\n%s\t\tchar size%d_[%d]; } %s", w.members(t.ID, 0), t.ID, t.Size, name)
		}
		w.structure(t.ID)
		return fmt.Sprintf("struct %s %s", t.Name, name)
	}
	if t.Char() {
		return "char " + name
	}
	sign := "u"
	if t.Signed {
		sign = "s"
	}
	return fmt.Sprintf("%s%d %s", sign, 8*t.Size, name)
}

func (w *cWriter) pointer(p btf.Type, name string) string {
	t, err := w.spec.Strip(p.Elem)
	switch {
	case err != nil:
		w.fail(err)
	case t.Char():
		return "char *" + name
	case t.Kind == btf.Struct && t.Name != "":
		w.structure(t.ID)
		return fmt.Sprintf("struct %s *%s", t.Name, name)
	}
	return "void *" + name
}
