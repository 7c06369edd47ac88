package ktrap

import (
	"fmt"
	"strings"

	"ktrap/internal/object"
	"ktrap/internal/value"
)

// Emitted returns what a handler of a file sent with emit, one value each; nil for
// other probes.
func (e *Event) Emitted() []Value {
	r, ok := e.sent()
	if !ok {
		return nil
	}
	values := make([]Value, len(r.Fields))
	for i, f := range r.Fields {
		values[i] = e.Registration.session.named(value.OfField(f, e.record), f)
	}
	return values
}

// Printed returns what a handler of a file sent with printf; ok is false if this
// was none.
func (e *Event) Printed() (text string, ok bool) {
	r, ok := e.sent()
	if !ok || r.Format == "" {
		return "", false
	}
	var args []any
	for _, v := range e.Emitted() {
		args = append(args, argument(v))
	}
	format := e.Registration.session.on.symbolise(r.Format, args)
	return strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"), true
}

// sent is which of its file's records the event is.
func (e *Event) sent() (object.Record, bool) {
	h := e.Registration.handler()
	if h == nil || h.script == nil || len(e.record) < object.SiteOffset+object.SiteSize {
		return object.Record{}, false
	}
	records := h.script.unit.Records
	site := le.Uint64(e.record[object.SiteOffset:])
	if site >= uint64(len(records)) {
		return object.Record{}, false
	}
	return records[site], true
}

// named gives the addresses of a kernel stack, and places, their names.
func (s *Session) named(v Value, f object.Field) Value {
	switch f.Kind {
	case object.Place:
		if r := s.registration(uint32(v.Bits)); r != nil {
			v.Kind, v.Text = value.Enum, r.forWhom().name
		}
	case object.Stack:
		for i := range v.Fields {
			if name, ok := s.on.name(v.Fields[i].Bits); ok {
				v.Fields[i].Kind, v.Fields[i].Text = value.Enum, name
			}
		}
	case object.Struct:
		for i := range v.Fields {
			v.Fields[i] = s.named(v.Fields[i], f.Fields[i])
		}
	}
	return v
}

// argument is a value for a format of Go's fmt.
func argument(v Value) any {
	switch v.Kind {
	case value.Int:
		return int64(v.Bits)
	case value.Uint, value.Pointer, value.Code:
		return v.Bits
	case value.Bool:
		return v.Bits != 0
	case value.String, value.Enum:
		return v.Text
	}
	return v
}
