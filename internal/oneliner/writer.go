package oneliner

import (
	"fmt"
	"go/ast"
	"go/parser"
	"strings"

	"ktrap/internal/compile"
	"ktrap/internal/diag"
)

// writer writes the file.
type writer struct {
	Request
	handlers []handler
	keys     []key
	spread   []string // functions of patterns
}

// A key is one part of what entries are told apart by.
type key struct {
	name, typ string
	size      int    // of a text, bytes
	typed     string // as it was typed
}

// agree finds a type for each key that it has at every place.
func (w *writer) agree() error {
	first := w.handlers[0].by
	typed := append(split(w.Also.Text), split(w.By.Text)...)
	for i := range first {
		k := key{name: first[i].Name, typ: first[i].Type, typed: typed[i]}
		for _, h := range w.handlers {
			e := h.by[i]
			if k.size = max(k.size, e.Size); e.Type == k.typ {
				continue
			}
			if !isInteger(e.Type) || !isInteger(k.typ) {
				return mistake(w.By, diag.Type, "", "%s is a %s at %s and a %s at %s", k.typed, k.typ, w.handlers[0].place, e.Type, h.place)
			}
			k.typ = wide(k.typ, e.Type)
		}
		w.keys = append(w.keys, k)
	}
	for _, h := range w.handlers {
		for i, k := range w.keys {
			if h.by[i].Type != k.typ {
				h.by[i].Text = k.typ + "(" + h.by[i].Text + ")"
			}
		}
	}
	w.nameKeys()
	return nil
}

func wide(a, b string) string {
	if strings.HasPrefix(a, "u") && strings.HasPrefix(b, "u") {
		return "uint64"
	}
	return "int64"
}

// nameKeys gives each key a name of its own.
func (w *writer) nameKeys() {
	taken := map[string]bool{"_": true, "": true, "at": w.What == Latency}
	for i := range w.keys {
		k := &w.keys[i]
		for n := i + 1; taken[k.name] || !isName(k.name); n++ {
			k.name = fmt.Sprint("key", n)
		}
		taken[k.name] = true
	}
}

func isName(s string) bool {
	e, err := parser.ParseExpr(s)
	_, ok := e.(*ast.Ident)
	return err == nil && ok
}

// split cuts a list of expressions, which parses, at its commas.
func split(text string) (parts []string) {
	for _, at := range spans(text) {
		parts = append(parts, text[at[0]:at[1]])
	}
	return parts
}

// spans are where the expressions of a list stand; all of it where it doesn't parse.
func spans(text string) (list [][2]int) {
	const before = "f("
	e, err := parser.ParseExpr(before + text + ")")
	call, ok := e.(*ast.CallExpr)
	if err != nil || !ok {
		return [][2]int{{0, len(text)}}
	}
	for _, arg := range call.Args {
		list = append(list, [2]int{int(arg.Pos()) - 1 - len(before), int(arg.End()) - 1 - len(before)})
	}
	return list
}

// free is a name that no handler's expression means something else by.
func (w *writer) free(name string) string {
	for _, h := range w.handlers {
		for _, p := range h.params {
			if p.Name == name || strings.TrimLeft(p.Type, "*") == name {
				return w.free(name + "_")
			}
		}
	}
	return name
}

func (w *writer) file() File {
	switch w.What {
	case Latency:
		return w.latency()
	case Path:
		return w.path()
	}
	var b strings.Builder
	b.WriteString("package trap\n")
	var f File
	keyType := w.keyType(&b)
	value, act := w.act()
	if value != "" {
		f.Table = w.free(map[string]string{"uint64": "hits", "stat": "sums", "hist": "values"}[value])
		if keyType != "" {
			value = "map[" + keyType + "]" + value
		}
		fmt.Fprintf(&b, "\nvar %s %s\n", f.Table, value)
	}
	for i := range w.handlers {
		h := &w.handlers[i]
		target := f.Table
		if keyType != "" {
			target += "[" + w.key(h, keyType) + "]"
		}
		h.write(&b, w.condition(h), act(h, target))
	}
	f.Keys = w.columns(keyType)
	f.Text = b.String()
	return f
}

// columns are what the keys are, as typed.
func (w *writer) columns(keyType string) (list []string) {
	for _, k := range w.keys {
		list = append(list, k.typed)
	}
	if list == nil && keyType != "" {
		list = []string{"place"}
	}
	return list
}

// act is what is kept, and the statement that keeps it.
func (w *writer) act() (value string, act func(h *handler, target string) string) {
	switch {
	case w.What == Send:
		return "", func(h *handler, _ string) string { return "emit(" + texts(h.show) + ")" }
	case w.What == Hist && w.Linear.Step > 0:
		return "hist", func(h *handler, target string) string {
			return fmt.Sprintf("%s.linear(%s, %d, %d, %d)", target, h.of, w.Linear.Least, w.Linear.Most, w.Linear.Step)
		}
	case w.What == Hist:
		return "hist", func(h *handler, target string) string { return target + ".add(" + h.of + ")" }
	case w.Of.Text != "":
		return "stat", func(h *handler, target string) string { return target + ".add(" + h.of + ")" }
	}
	return "uint64", func(_ *handler, target string) string { return target + "++" }
}

func texts(list []compile.Expression) string {
	var all []string
	for _, e := range list {
		all = append(all, e.Text)
	}
	return strings.Join(all, ", ")
}

// keyType is the type of the map's keys, declared if it is a struct; "" for no map.
func (w *writer) keyType(b *strings.Builder) string {
	switch {
	case w.What == Send, w.What == Hist && len(w.keys) == 0, w.What == Latency && len(w.keys) == 0 && !w.many():
		return ""
	case len(w.keys) == 0:
		return "point"
	case len(w.keys) == 1:
		return w.keys[0].typ
	}
	name, wide := w.free("key"), 0
	for _, k := range w.keys {
		wide = max(wide, len(k.name))
	}
	fmt.Fprintf(b, "\ntype %s struct {\n", name)
	for _, k := range w.keys {
		fmt.Fprintf(b, "\t%-*s %s%s\n", wide, k.name, k.typ, k.tag())
	}
	b.WriteString("}\n")
	return name
}

// usual is how many bytes a text takes in a struct where no tag says more, and the
// most that a tag can say.
const (
	usual = 16
	most  = 255
)

func (k key) tag() string {
	if k.typ != "string" || k.size <= usual {
		return ""
	}
	return fmt.Sprintf(" `size:\"%d\"`", min(k.size, most))
}

func (w *writer) key(h *handler, keyType string) string {
	switch len(w.keys) {
	case 0:
		return "place()"
	case 1:
		return h.by[0].Text
	}
	return keyType + "{" + texts(h.by) + "}"
}

// condition joins what must be true of a hit.
func (w *writer) condition(h *handler) string {
	var all []string
	if w.PID != 0 {
		all = append(all, fmt.Sprintf("pid() == %d", w.PID))
	}
	if w.Comm != "" {
		all = append(all, fmt.Sprintf("comm() == %q", w.Comm))
	}
	if h.cond != "" {
		if len(all) > 0 && strings.Contains(h.cond, "||") {
			h.cond = "(" + h.cond + ")"
		}
		all = append(all, h.cond)
	}
	return strings.Join(all, " && ")
}

// write writes a handler; of its parameters only those that are used.
func (h *handler) write(b *strings.Builder, cond, act string) {
	word, at := h.kind()
	fmt.Fprintf(b, "\n//ktrap:%s %s\nfunc %s(%s) {\n", word, at, h.name, h.used(h.cond, act)) // pid() of a filter is the word
	if cond != "" {
		fmt.Fprintf(b, "\tif %s {\n\t\t%s\n\t}\n}\n", cond, act)
		return
	}
	fmt.Fprintf(b, "\t%s\n}\n", act)
}

// used declares the parameters that are named in texts.
func (h *handler) used(texts ...string) string {
	used := map[string]bool{}
	for _, text := range texts {
		names(text, used)
	}
	var params []compile.Parameter
	for _, p := range h.params {
		if used[p.Name] {
			params = append(params, p)
		}
	}
	return declared(params)
}

// names notes the names that a text of expressions may mean a parameter by.
func names(text string, used map[string]bool) {
	e, err := parser.ParseExpr(strings.TrimSuffix(text, "++"))
	if err != nil {
		return
	}
	ast.Inspect(e, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			used[id.Name] = true
		}
		return true
	})
}
