package oneliner

import (
	"fmt"
	"go/scanner"
	"go/token"
	"path"
	"slices"
	"strings"

	"ktrap/internal/btf"
	"ktrap/internal/compile"
	"ktrap/internal/diag"
	"ktrap/internal/place"
)

// maxFunctions bounds the handlers that one pattern may become: each is a program to
// be compiled and loaded.
const maxFunctions = 128

// pattern makes a handler for each function of one whose parameters are named, which
// a handler of all of them can't do; m is why not.
func (w *writer) pattern(at place.Place, env compile.Env, m *Mistake) error {
	word := undefined(m)
	if word == "" {
		return m
	}
	have, lack, names := w.functions(at, env, word)
	e := m.List[0]
	switch {
	case len(have) == 0:
		if e.Hint == "" {
			e.Hint = diag.DidYouMean(word, names)
		}
		if e.Hint == "" {
			e.Hint = fmt.Sprintf("no function of %s has a parameter of that name; arg(0), arg(1) … are the argument registers", at)
		}
		return m
	case len(lack) > 0:
		e.Msg = fmt.Sprintf("%s is no parameter of %d of the %d functions of %s: %s", word, len(lack), len(lack)+len(have), at, few(lack, ", "))
		e.Hint = fmt.Sprintf("name those that have it: %s", few(have, " "))
		return m
	case len(have) > maxFunctions:
		e.Msg = fmt.Sprintf("%s has %d functions, and each needs a handler of its own for %s: more than %d", at, len(have), word, maxFunctions)
		e.Hint = "a narrower pattern, or arg(0), arg(1) …, the argument registers"
		return m
	}
	for _, name := range have {
		if err := w.add(name, env); err != nil {
			return err
		}
		w.spread = append(w.spread, name)
	}
	return nil
}

// undefined is the name that a mistake is about; "" if it is about something else.
func undefined(m *Mistake) string {
	e := m.List[0]
	if from := e.Pos.Column - 1; e.Code == diag.Undefined && from >= 0 && from < len(m.Expr.Text) {
		text := []byte(m.Expr.Text[from:])
		var s scanner.Scanner
		s.Init(token.NewFileSet().AddFile("", -1, len(text)), text, func(token.Position, string) {}, 0)
		if _, tok, lit := s.Scan(); tok == token.IDENT {
			return lit
		}
	}
	return ""
}

// functions are those of a pattern that have a parameter of a name, and those that
// have none; all are the parameters' names.
func (w *writer) functions(at place.Place, env compile.Env, name string) (have, lack, all []string) {
	list := known(at, env)
	if w.Match != nil {
		list = w.Match(at)
	}
	if env.BTF != nil {
		var symbols []string
		for _, f := range list {
			symbols = append(symbols, f[strings.Index(f, ":")+1:])
		}
		env.BTF.Expect(symbols)
	}
	for _, f := range list {
		lacks := true
		for _, p := range compile.Parameters(env, f, false) {
			lacks = lacks && p.Name != name
			all = append(all, p.Name)
		}
		if lacks {
			lack = append(lack, f)
		} else {
			have = append(have, f)
		}
	}
	return have, lack, all
}

// known are the functions of a pattern by BTF alone.
func known(at place.Place, env compile.Env) (list []string) {
	if env.BTF == nil {
		return nil
	}
	for id := env.BTF.First(); ; id++ {
		f, err := env.BTF.Type(id)
		if err != nil {
			break
		}
		if ok, _ := path.Match(at.Symbol, f.Name); ok && f.Kind == btf.Func {
			list = append(list, f.Name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// few are the first of a list.
func few(list []string, between string) string {
	const most = 6
	if len(list) <= most {
		return strings.Join(list, between)
	}
	return strings.Join(list[:most], between) + between + "…"
}
