package oneliner

import (
	"fmt"
	"strings"
)

// many tells that more than one function may be timed.
func (w *writer) many() bool { return len(w.handlers) > 1 || w.handlers[0].place.Glob }

// latency is a file of two handlers a place: the one at the entry returns the time
// and the key, the one at the return of the same call adds the difference.
func (w *writer) latency() File {
	var b strings.Builder
	b.WriteString("package trap\n")
	keyType := w.keyType(&b)
	f := File{Table: w.free("took"), Total: w.free("calls"), Keys: w.columns(keyType)}
	call, of, index := "uint64", "", ""
	if keyType != "" {
		call, of, index = w.free("call"), "map["+keyType+"]", "[c.key]"
		tag := ""
		if len(w.keys) == 1 {
			tag = w.keys[0].tag()
		}
		fmt.Fprintf(&b, "\ntype %s struct {\n\tat  uint64\n\tkey %s%s\n}\n", call, keyType, tag)
	}
	fmt.Fprintf(&b, "\n// Nanoseconds from the entry to the return.\nvar (\n\t%-*s %shist\n\t%-*s %sstat\n)\n",
		max(len(f.Table), len(f.Total)), f.Table, of, max(len(f.Table), len(f.Total)), f.Total, of)
	for i := range w.handlers {
		w.timed(&b, &w.handlers[i], call, keyType)
		at := "c"
		if keyType != "" {
			at = "c.at"
		}
		fmt.Fprintf(&b, "\n//ktrap:ret %s\nfunc %s(c %s) {\n\tns := nsecs() - %s\n\t%s%s.add(ns)\n\t%s%s.add(ns)\n}\n",
			w.handlers[i].place, strings.Replace(w.handlers[i].name, "at", "done", 1), call, at, f.Table, index, f.Total, index)
	}
	f.Text = b.String()
	return f
}

// timed writes the handler at the entry.
func (w *writer) timed(b *strings.Builder, h *handler, call, keyType string) {
	cond, value := w.condition(h), "nsecs()"
	if keyType != "" {
		value = call + "{nsecs(), " + w.key(h, keyType) + "}"
	}
	results, returned := call, value
	if cond != "" {
		results, returned = "("+call+", bool)", value+", "+cond
	}
	fmt.Fprintf(b, "\n//ktrap:pre %s\nfunc %s(%s) %s {\n\treturn %s\n}\n", h.place, h.name, h.used(cond, value), results, returned)
}
