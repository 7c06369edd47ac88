package oneliner

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ktrap/internal/compile"
)

// inferCall finds out what the expressions are of which one handler at the entry and
// one at the return are made: those that name retval are the return's.
func (h *handler) inferCall(r Request, env compile.Env) error {
	late := func(text string) bool { return named(text, "retval") }
	entry, exit := r, r
	if late(r.If.Text) {
		entry.If.Text = ""
	} else {
		exit.If.Text = ""
	}
	entry.By.Text, exit.By.Text, h.late = parted(r.By.Text, late)
	exit.Also.Text, h.late = "", append(make([]bool, len(split(r.Also.Text))), h.late...)
	at := h.place
	at.Return = true
	h.done = &handler{place: at, both: true}
	for _, err := range []error{h.infer(entry, env), h.done.infer(exit, env)} {
		var m *Mistake
		if errors.As(err, &m) && m.Expr.Flag == r.By.Flag {
			m.Expr = r.By
		}
		if err != nil {
			return err
		}
	}
	own, others := h.by, h.done.by
	h.by = nil
	for _, late := range h.late {
		from := &own
		if late {
			from = &others
		}
		h.by, *from = append(h.by, (*from)[0]), (*from)[1:]
	}
	return nil
}

// named reports whether an expression names something.
func named(text, name string) bool {
	used := map[string]bool{}
	names(text, used)
	return used[name]
}

// parted makes two lists of one, each of whose expressions stands where it stood.
func parted(text string, second func(string) bool) (first, other string, which []bool) {
	if text == "" {
		return "", "", nil
	}
	var lists [2][]byte
	for _, at := range spans(text) {
		is := second(text[at[0]:at[1]])
		list := &lists[0]
		if is {
			list = &lists[1]
		}
		if *list != nil {
			*list = append(*list, ',')
		}
		*list = fmt.Appendf(*list, "%*s%s", at[0]-len(*list), "", text[at[0]:at[1]])
		which = append(which, is)
	}
	return string(lists[0]), string(lists[1]), which
}

// many tells that more than one function may be timed.
func (w *writer) many() bool { return len(w.handlers) > 1 || w.handlers[0].place.Glob }

// A timing is how the file of a Latency calls things.
type timing struct {
	file        *File
	call        string // what the handler at the entry returns: its type
	key         string // the type of the keys, "" for none
	c, ns, name string // of the handler at the return: what it is given, the time, the key
	split       bool   // some keys are known only there
}

// latency is a file of two handlers a place: the one at the entry returns the time
// and the keys, the one at the return of the same call adds the difference.
func (w *writer) latency() File {
	var b strings.Builder
	b.WriteString("package trap\n")
	t := timing{key: w.keyType(&b), call: "uint64", c: w.free("c"), ns: w.free("ns"), name: w.free("k"), split: slices.Contains(w.handlers[0].late, true)}
	t.file = &File{Table: w.free("took"), Total: w.free("calls"), Keys: w.columns(t.key)}
	w.returned(&b, &t)
	of := ""
	if t.key != "" {
		of = "map[" + t.key + "]"
	}
	wide := max(len(t.file.Table), len(t.file.Total))
	fmt.Fprintf(&b, "\n// Nanoseconds from the entry to the return.\nvar (\n\t%-*s %shist\n\t%-*s %sstat\n)\n", wide, t.file.Table, of, wide, t.file.Total, of)
	for i := range w.handlers {
		w.begun(&b, &w.handlers[i], t)
		w.ended(&b, &w.handlers[i], t)
	}
	t.file.Text = b.String()
	return *t.file
}

// early are the keys that are known at the entry.
func (w *writer) early(h *handler) (keys []key, values []compile.Expression) {
	for i, k := range w.keys {
		if !h.late[i] {
			keys, values = append(keys, k), append(values, h.by[i])
		}
	}
	return keys, values
}

// returned declares what the handlers at the entry return besides the time.
func (w *writer) returned(b *strings.Builder, t *timing) {
	keys, _ := w.early(&w.handlers[0])
	switch {
	case t.key == "", t.split && keys == nil:
		return
	case !t.split:
		k := key{name: "key", typ: t.key}
		if len(w.keys) == 1 {
			k.size = w.keys[0].size
		}
		keys = []key{k}
	}
	t.call = w.free("call")
	wide := len("at")
	for _, k := range keys {
		wide = max(wide, len(k.name))
	}
	fmt.Fprintf(b, "\ntype %s struct {\n\t%-*s uint64\n", t.call, wide, "at")
	for _, k := range keys {
		fmt.Fprintf(b, "\t%-*s %s%s\n", wide, k.name, k.typ, k.tag())
	}
	b.WriteString("}\n")
}

// begun writes the handler at the entry.
func (w *writer) begun(b *strings.Builder, h *handler, t timing) {
	cond, value := w.condition(h), "nsecs()"
	switch _, values := w.early(h); {
	case t.call == "uint64":
	case t.split:
		value = t.call + "{nsecs(), " + texts(values) + "}"
	default:
		value = t.call + "{nsecs(), " + w.key(h, t.key) + "}"
	}
	results, returned := t.call, value
	if cond != "" {
		results, returned = "("+t.call+", bool)", value+", "+cond
	}
	fmt.Fprintf(b, "\n//ktrap:pre %s\nfunc %s(%s) %s {\n\treturn %s\n}\n", h.place, h.name, h.used(cond, value), results, returned)
}

// ended writes the handler at the return.
func (w *writer) ended(b *strings.Builder, h *handler, t timing) {
	at, index, key := t.c, "", ""
	if t.call != "uint64" {
		at += ".at"
	}
	switch {
	case t.split:
		index, key = "["+t.name+"]", w.lateKey(h, t)
	case t.key != "":
		index = "[" + t.c + ".key]"
	}
	params := t.c + " " + t.call
	if used := h.done.used(h.done.cond, key); used != "" {
		params += ", " + used
	}
	fmt.Fprintf(b, "\n//ktrap:ret %s\nfunc %s(%s) {\n\t%s := nsecs() - %s\n", h.place, strings.Replace(h.name, "at", "done", 1), params, t.ns, at)
	indent := "\t"
	if h.done.cond != "" {
		fmt.Fprintf(b, "\tif %s {\n", h.done.cond)
		indent += "\t"
	}
	if key != "" {
		fmt.Fprintf(b, "%s%s := %s\n", indent, t.name, key)
	}
	for _, table := range []string{t.file.Table, t.file.Total} {
		fmt.Fprintf(b, "%s%s%s.add(%s)\n", indent, table, index, t.ns)
	}
	if h.done.cond != "" {
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
}

// lateKey is the key as the handler at the return has it.
func (w *writer) lateKey(h *handler, t timing) string {
	var parts []string
	for i, k := range w.keys {
		part := h.by[i].Text
		if !h.late[i] {
			part = t.c + "." + k.name
		}
		parts = append(parts, part)
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return t.key + "{" + strings.Join(parts, ", ") + "}"
}
