package ktrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"

	"ktrap/internal/compile"
)

// Handler is what to do at a hit. The same Handler on several probes is one: what
// runs in the kernel shares its variables.
type Handler struct {
	name   string
	call   func(*Event)
	origin *HandlerFile // in call's stead: its source, until it is registered
	script *compiled    // in call's stead: it runs in the kernel
	filter string       // in call's stead: the expression that lets a hit pass
}

// Func is a handler in Go, called in this process with every hit's event; nil
// for no function.
func Func(f func(*Event)) *Handler {
	if f == nil {
		return nil
	}
	return &Handler{name: runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name(), call: f}
}

// Source is a handler in the language of docs/HANDLERS.md, which runs in the
// kernel: the text of a file with one function of the kind that the probe calls.
// What it emits is yielded by Session.Events; its variables are read by
// Registration.Script. A mistake in it is told by Register, as a *SourceError.
func Source(text string) *Handler {
	return &Handler{origin: &HandlerFile{Name: "handler.go", Text: []byte(text)}}
}

// File is Source of a file, which is read when the handler is registered.
func File(name string) *Handler { return &Handler{origin: &HandlerFile{Name: name}} }

// Filter lets those hits be recorded for which an expression is true, as
// "size > 1000": the same as Probe.If.
func Filter(expr string) *Handler { return &Handler{filter: expr} }

// Function is the function of a name, for a source that has several of a kind. It
// shares the source's variables.
func (h *Handler) Function(name string) *Handler {
	return &Handler{name: name, origin: h.origin}
}

// usable tells what keeps a handler from being called.
func (h *Handler) usable() error {
	if h == nil || h.call != nil || h.origin != nil || h.script != nil || h.filter != "" {
		return nil
	}
	return fmt.Errorf("the handler %q has no function in this process: make it with Func", h.name)
}

// handlerJSON is how a handler is written: a function in this process can only be
// named.
type handlerJSON struct {
	Func     string `json:"func,omitempty"`
	Source   string `json:"source,omitempty"`
	File     string `json:"file,omitempty"`
	Function string `json:"function,omitempty"`
	Filter   string `json:"filter,omitempty"`
}

// MarshalJSON writes a source, a file's name, an expression, or a function's name.
func (h *Handler) MarshalJSON() ([]byte, error) {
	switch {
	case h.filter != "":
		return json.Marshal(handlerJSON{Filter: h.filter})
	case h.origin == nil:
		return json.Marshal(handlerJSON{Func: h.name})
	case h.origin.Text != nil:
		return json.Marshal(handlerJSON{Source: string(h.origin.Text), Function: h.name})
	}
	return json.Marshal(handlerJSON{File: h.origin.Name, Function: h.name})
}

// UnmarshalJSON reads what MarshalJSON writes; Register refuses a handler that was
// made with Func, because the function isn't in the text.
func (h *Handler) UnmarshalJSON(text []byte) error {
	var w handlerJSON
	if err := json.Unmarshal(text, &w); err != nil {
		return fmt.Errorf("read a handler: %w", err)
	}
	switch {
	case w.Source != "" && w.File != "":
		return errors.New("read a handler: it has a source and a file")
	case w.Filter != "":
		*h = *Filter(w.Filter)
	case w.Source != "":
		*h = *Source(w.Source).Function(w.Function)
	case w.File != "":
		*h = *File(w.File).Function(w.Function)
	default:
		*h = Handler{name: w.Func}
	}
	return nil
}

// compile returns a probe whose handler is compiled, if it comes from a source.
func (s *Session) compile(p *Probe) (*Probe, error) {
	h := p.handler()
	if h != nil && h.filter != "" {
		return p.filtered(h.filter)
	}
	if h == nil || h.origin == nil {
		return p, nil
	}
	x := s.sources[h.origin]
	if x == nil {
		f := *h.origin
		f.Place = p.enters()
		var err error
		if x, err = s.script(f); err != nil {
			return nil, err
		}
		if s.sources == nil {
			s.sources = map[*HandlerFile]*Script{}
		}
		s.sources[h.origin] = x
	}
	c, err := x.function(h.name, p)
	if err != nil {
		return nil, err
	}
	q := *p
	switch h {
	case q.Ret:
		q.Ret = c
	case q.Post:
		q.Post = c
	default:
		q.Pre = c
	}
	return &q, nil
}

// filtered is p with a handler's expression as its own.
func (p *Probe) filtered(expr string) (*Probe, error) {
	if p.If != "" {
		return nil, fmt.Errorf("%s: it has a Filter and an If: one of them is enough", p.Place())
	}
	q := *p
	q.Pre, q.Ret, q.If = nil, nil, expr
	return &q, nil
}

// enters is the place whose parameters the handler may name.
func (p *Probe) enters() string {
	at := p.place()
	at.Return = false
	return at.String()
}

// function finds the handler that a probe calls.
func (x *Script) function(name string, p *Probe) (*Handler, error) {
	kind := "pre"
	switch {
	case p.Return:
		kind = "ret"
	case p.Post != nil:
		kind = "post"
	}
	var found *compile.Handler
	for _, h := range x.unit.Handlers {
		switch {
		case string(h.Kind) != kind || name != "" && h.Name != name:
		case found != nil:
			return nil, fmt.Errorf("%s: %s has several %s handlers, %s and %s: choose by Function", p.Place(), x.file.Name, kind, found.Name, h.Name)
		default:
			found = h
		}
	}
	switch {
	case found == nil && name != "":
		return nil, fmt.Errorf("%s: %s has no %s handler %s", p.Place(), x.file.Name, kind, name)
	case found == nil:
		return nil, fmt.Errorf("%s: %s has no %s handler", p.Place(), x.file.Name, kind)
	case found.Needs.Paired:
		return nil, fmt.Errorf("%s: the handler %s of %s is one of two that share a call, at its entry and its return: run the file by Session.Script", p.Place(), found.Name, x.file.Name)
	case found.Needs.Args && found.Place != p.enters():
		return nil, fmt.Errorf("%s: the handler %s of %s takes parameters of %s; give this place a handler of its own", p.Place(), found.Name, x.file.Name, found.Place)
	}
	return x.handler(x.unit, found), nil
}
