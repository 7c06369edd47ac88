// Package oneliner makes handler files of what is asked for in one line: count
// these places by that expression.
//
// An expression is Go over the probed function's parameters, what they lead to,
// and the words of handlers, whose brackets may be left out. It is checked on its
// own first, in a file that does nothing but name it, so that a mistake is told
// at its column in what was typed; what it turns out to be decides the types of
// the maps. Then the file is written: one function a place, which share the maps.
package oneliner

import (
	"errors"
	"fmt"
	"slices"

	"ktrap/internal/compile"
	"ktrap/internal/diag"
	"ktrap/internal/place"
)

// What is to be done at a hit.
type What int

// The things that can be done.
const (
	Count   What = iota // count hits, or sum up Of
	Hist                // count the values of Of in buckets
	Send                // send Show
	Latency             // time calls, from entry to return
	Path                // send the way of each call through the function
)

// An Expr is what was typed, and what it was typed behind.
type Expr struct{ Flag, Text string }

// Request is what was asked for.
type Request struct {
	What   What
	Places []string
	If     Expr   // only hits for which it is true
	By     Expr   // the keys, separated by commas
	Also   Expr   // keys before those, which nobody has typed
	Of     Expr   // what is summed up or counted in buckets
	Show   Expr   // what is sent
	All    bool   // and all that the function is given, or returns
	Stack  bool   // and the kernel's stack
	Linear Linear // the buckets of a Hist; the zero value for powers of two
	Follow Follow // of a Path
	PID    uint32 // only hits of this process; 0 for any
	Comm   string // only hits of threads of this name; empty for any
	// Match tells the functions that a pattern stands for; nil asks the types.
	Match func(place.Place) []string
}

// Linear says that buckets begin at Least, end at Most and are Step wide.
type Linear struct{ Least, Most, Step int64 }

// File is what a request stands for.
type File struct {
	Text  string
	Table string   // the variable that holds what was counted
	Total string   // of a Latency, the one that holds its count, sum, least and greatest
	Keys  []string // what its keys are, as typed
	// Spread are places that the file names and the request did not: functions of a
	// pattern, of which some may be none for a probe.
	Spread []string
}

// A Mistake is in one of the expressions.
type Mistake struct {
	Expr Expr
	List diag.List // at positions in Expr.Text
}

func (m *Mistake) Error() string { return m.List.Error() }

func mistake(e Expr, code diag.Code, hint, format string, args ...any) *Mistake {
	d := &diag.Error{Code: code, Msg: fmt.Sprintf(format, args...), Hint: hint}
	d.Pos.Filename, d.Pos.Line, d.Pos.Column = e.Flag, 1, 1
	d.End = d.Pos
	d.End.Column += len(e.Text)
	return &Mistake{e, diag.List{d}}
}

// Make writes the handler file that r stands for. A mistake in an expression is a
// *Mistake, one in a place a *place.Error.
func Make(r Request, env compile.Env) (File, error) {
	env.Loose = true
	if r.What == Hist && r.Of.Text == "" {
		return File{}, mistake(r.Of, diag.Syntax, "", "there is nothing to count the values of")
	}
	w := writer{Request: r}
	for _, text := range r.Places {
		if err := w.add(text, env); err != nil {
			return File{}, err
		}
	}
	for i := range w.handlers {
		if w.handlers[i].name = "at"; len(w.handlers) > 1 {
			w.handlers[i].name = fmt.Sprint("at", i+1)
		}
	}
	if err := w.agree(); err != nil {
		return File{}, err
	}
	f := w.file()
	f.Spread = w.spread
	return f, nil
}

// add makes the handlers of a place.
func (w *writer) add(text string, env compile.Env) error {
	at, err := place.Parse(text)
	if err != nil {
		return err
	}
	if w.What == Latency && at.Return {
		return fmt.Errorf("%s: a call is timed from its entry to its return: name the function alone", at)
	}
	h := handler{place: at, both: w.What == Path}
	infer := h.infer
	if w.What == Latency {
		infer = h.inferCall
	}
	err = infer(w.Request, env)
	var m *Mistake
	switch isMistake := errors.As(err, &m); {
	case err == nil:
		w.handlers = append(w.handlers, h)
	case isMistake && at.Glob && !at.Return:
		return w.pattern(at, env, m)
	case isMistake && (len(w.Places) > 1 || text != w.Places[0]):
		m.List[0].Msg += ", at " + at.String()
	}
	return err
}

// A handler is what happens at one place.
type handler struct {
	place  place.Place
	name   string
	params []compile.Parameter
	cond   string               // "" for none
	by     []compile.Expression // the keys
	of     string
	show   []compile.Expression
	both   bool     // at a return, what was given at the entry is known too
	done   *handler // of a Latency: the one at the return, of what is known only there
	late   []bool   // which of the keys are known only there
}

// kind is the directive's word, and the place that stands behind it.
func (h *handler) kind() (word, at string) {
	p := h.place
	if !p.Return {
		return "pre", p.String()
	}
	p.Return = false
	return "ret", p.String()
}

// parameters are all that the handler could take.
func (h *handler) parameters(env compile.Env) {
	word, at := h.kind()
	h.params = compile.Parameters(env, at, word == "ret")
	if h.both {
		given := slices.DeleteFunc(compile.Parameters(env, at, false), func(p compile.Parameter) bool { return p.Name == "retval" })
		h.params = append(given, h.params...)
	}
	if word == "pre" {
		h.params = append(h.params, compile.Parameter{Name: "r", Type: "*regs"})
		for _, p := range h.params[:len(h.params)-1] {
			if p.Name == "r" {
				h.params = h.params[:len(h.params)-1]
				break
			}
		}
	}
}
