package oneliner

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"slices"
	"strings"

	"ktrap/internal/compile"
	"ktrap/internal/diag"
)

// infer finds out what the expressions are at one place.
func (h *handler) infer(r Request, env compile.Env) error {
	h.parameters(env)
	var p probing
	for _, part := range []struct {
		expr Expr
		one  bool
		take func([]compile.Expression) error
	}{
		{r.If, true, func(e []compile.Expression) error { return h.condition(r.If, e[0]) }},
		{r.Also, false, h.keyed},
		{r.By, false, h.keyed},
		{r.Of, true, func(e []compile.Expression) error { return h.number(r.Of, e[0]) }},
		{r.Show, false, func(e []compile.Expression) error { h.show = e; return nil }},
	} {
		if part.expr.Text == "" {
			continue
		}
		if err := p.add(part.expr, part.one); err != nil {
			return err
		}
		p.take = append(p.take, part.take)
	}
	known := ""
	if r.What == Path {
		known = r.Follow.known()
	}
	if err := p.run(h, known, env); err != nil {
		return err
	}
	h.whole(r)
	return nil
}

func (h *handler) keyed(e []compile.Expression) error {
	h.by = append(h.by, e...)
	return nil
}

// whole adds to what is sent.
func (h *handler) whole(r Request) {
	var all []compile.Expression
	for _, p := range h.params {
		text := p.Name
		if p.Type == "*int8" {
			text = "str(" + text + ")"
		}
		if r.All && p.Type != "*regs" {
			all = append(all, compile.Expression{Text: text})
		}
	}
	h.show = append(all, h.show...)
	if r.Stack {
		h.show = append(h.show, compile.Expression{Text: "kstack()"})
	}
}

// probing is a file that names expressions, each on lines of its own.
type probing struct {
	exprs []Expr
	take  []func([]compile.Expression) error
}

// add takes an expression, or several, that can't be more than they seem: what
// holds no comment, no line break, and is an argument on its own.
func (p *probing) add(e Expr, one bool) error {
	if err := plain(e); err != nil {
		return err
	}
	parsed, err := parser.ParseExpr("f(\n" + e.Text + ",\n)")
	var list scanner.ErrorList
	if errors.As(err, &list) {
		return misspelt(e, list[0])
	}
	call, ok := parsed.(*ast.CallExpr)
	if id, isName := callee(call); !ok || !isName || id != "f" || call.Ellipsis.IsValid() {
		return mistake(e, diag.Syntax, "", "this is no expression")
	}
	if one && len(call.Args) != 1 {
		return mistake(e, diag.Syntax, "", "%d expressions, where one is wanted", len(call.Args))
	}
	p.exprs = append(p.exprs, e)
	return nil
}

// misspelt is the parser's word on e, which stands on the second line. What it says
// of the comma behind it nobody has typed.
func misspelt(e Expr, err *scanner.Error) *Mistake {
	m := mistake(e, diag.Syntax, "", "%s", err.Msg)
	at := m.List[0]
	at.Pos.Column, at.End = err.Pos.Column, token.Position{}
	if end := len(e.Text) + 1; err.Pos.Line != 2 || err.Pos.Column >= end {
		at.Pos.Column, at.Msg = end, "the expression ends too early, or a bracket is left over"
	}
	return m
}

func callee(call *ast.CallExpr) (string, bool) {
	if call == nil {
		return "", false
	}
	id, ok := call.Fun.(*ast.Ident)
	if !ok {
		return "", false
	}
	return id.Name, true
}

// plain refuses what could end the line that the expression is put on.
func plain(e Expr) error {
	if strings.ContainsAny(e.Text, "\n\r") {
		return mistake(e, diag.Syntax, "", "an expression is one line")
	}
	var s scanner.Scanner
	text := []byte(e.Text)
	s.Init(token.NewFileSet().AddFile("", -1, len(text)), text, func(token.Position, string) {}, scanner.ScanComments)
	for {
		switch _, tok, _ := s.Scan(); tok {
		case token.EOF:
			return nil
		case token.COMMENT:
			return mistake(e, diag.Syntax, "", "an expression holds no comment")
		}
	}
}

// run checks the file and hands each flag its expressions.
func (p *probing) run(h *handler, known string, env compile.Env) error {
	if len(p.exprs) == 0 {
		return nil
	}
	text, lines := p.text(h, known)
	found, errs := compile.Infer(compile.Source{Name: "probing", Text: []byte(text)}, env)
	if errs != nil {
		return p.explain(h, errs, lines)
	}
	for i, take := range p.take {
		var own []compile.Expression
		for _, e := range found {
			if e.Line == lines[i] {
				own = append(own, e)
			}
		}
		if len(own) == 0 {
			return mistake(p.exprs[i], diag.Argument, "", "this can't be used here")
		}
		if err := take(own); err != nil {
			return err
		}
	}
	return nil
}

// text is the file, with variables that are known, and the line that each expression
// is on.
func (p *probing) text(h *handler, known string) (string, []int) {
	var b strings.Builder
	word, at := h.kind()
	fmt.Fprintf(&b, "package trap\n\n%s//ktrap:%s %s\nfunc at(%s) {\n", known, word, at, declared(h.params))
	var lines []int
	for _, e := range p.exprs {
		lines = append(lines, strings.Count(b.String(), "\n")+2)
		fmt.Fprintf(&b, "emit(\n%s,\n)\n", e.Text)
	}
	b.WriteString("}\n")
	return b.String(), lines
}

func declared(params []compile.Parameter) string {
	var list []string
	for _, p := range params {
		list = append(list, p.Name+" "+p.Type)
	}
	return strings.Join(list, ", ")
}

// explain puts mistakes where they are in what was typed: those of the first
// expression that has any.
func (p *probing) explain(h *handler, errs diag.List, lines []int) error {
	i := slices.Index(lines, errs[0].Pos.Line)
	if i < 0 {
		return fmt.Errorf("%s: %s", h.place, errs[0].Msg)
	}
	m := &Mistake{Expr: p.exprs[i]}
	for _, e := range errs {
		if e.Pos.Line != lines[i] {
			continue
		}
		own := *e
		own.Pos.Filename, own.Pos.Line = p.exprs[i].Flag, 1
		if own.End.Line = 1; e.End.Line != lines[i] {
			own.End = own.Pos
			own.End.Column = len(p.exprs[i].Text) + 1
		}
		m.List.Add(&own)
	}
	return m
}

// condition makes e a condition: a number is true if it is not zero.
func (h *handler) condition(at Expr, e compile.Expression) error {
	switch {
	case e.Type == "bool":
		h.cond = e.Text
	case isInteger(e.Type):
		h.cond = e.Text + " != 0"
	case strings.HasPrefix(e.Type, "*") || e.Type == "unsafe.Pointer":
		h.cond = e.Text + " != nil"
	default:
		return mistake(at, diag.Type, "", "%s is a %s, and no condition", at.Text, e.Type)
	}
	return nil
}

func (h *handler) number(at Expr, e compile.Expression) error {
	if !isInteger(e.Type) && e.Type != "bool" {
		return mistake(at, diag.Type, "", "%s is a %s, and no number", at.Text, e.Type)
	}
	h.of = e.Text
	return nil
}

var integers = []string{"int8", "int16", "int32", "int64", "int", "uint8", "uint16", "uint32", "uint64", "uint", "uintptr"}

func isInteger(typ string) bool { return slices.Contains(integers, typ) }
