//go:build ignore

// Package words has what the words do when a handler runs as Go, in a test: the
// bodies, and the machine that they tell of.
package words

import (
	"fmt"
	"reflect"
	"unsafe"
)

// kt is the made-up machine that the words tell of where a handler runs as Go: a
// test sets what pid(), comm() and the others return, and reads what was sent.
var kt ktMachine

type ktMachine struct {
	pid, tid, uid, gid, cpu uint32
	nsecs, cgroup           uint64
	comm                    string
	args                    [6]uint64 // what arg(n) returns
	retval                  uint64
	current                 any // a *task_struct
	kstack, ustack          stack
	place                   point
	emitted                 [][]any  // what emit was given, call by call
	printed                 []string // what printf made
	leads                   map[any][]any
}

// lead says what str and cast find at an address or behind a pointer: a text, or a
// pointer to a kernel type.
func (m *ktMachine) lead(from any, to ...any) {
	if m.leads == nil {
		m.leads = map[any][]any{}
	}
	m.leads[from] = append(m.leads[from], to...)
}

// chars makes a char * of a text, for str.
func (m *ktMachine) chars(text string) *int8 {
	return (*int8)(unsafe.Pointer(unsafe.StringData(text + "\x00")))
}

func pid() uint32 { return kt.pid }

func tid() uint32 { return kt.tid }

func uid() uint32 { return kt.uid }

func gid() uint32 { return kt.gid }

func cpu() uint32 { return kt.cpu }

func nsecs() uint64 { return kt.nsecs }

func comm() string { return kt.comm[:min(len(kt.comm), 15)] }

func cgroup() uint64 { return kt.cgroup }

func arg(n int) uint64 { return kt.args[n] }

func retval() uint64 { return kt.retval }

func current() *task_struct {
	t, ok := kt.current.(*task_struct)
	if !ok {
		panic("current() has no thread to return: set kt.current = &task_struct{…}")
	}
	return t
}

func str(p any, size ...int) string {
	var at unsafe.Pointer
	switch p := p.(type) {
	case *int8:
		at = unsafe.Pointer(p)
	case *uint8:
		at = unsafe.Pointer(p)
	case unsafe.Pointer:
		at = p
	}
	room := 64
	if len(size) > 0 {
		room = size[0]
	}
	for _, q := range kt.leads[p] {
		if text, ok := q.(string); ok {
			return text[:min(len(text), room-1)]
		}
	}
	v := reflect.ValueOf(p)
	if v.IsZero() {
		return ""
	}
	if at == nil {
		panic(fmt.Sprintf("str(%v): no text is known there: say kt.lead(%#v, \"text\")", p, p))
	}
	text := []byte{}
	for len(text) < room-1 {
		c := *(*byte)(unsafe.Add(at, len(text)))
		if c == 0 {
			break
		}
		text = append(text, c)
	}
	return string(text)
}

func user[T any](p *T) *T { return p }

func cast[T any](p any) *T {
	for _, q := range kt.leads[p] {
		if to, ok := q.(*T); ok {
			return to
		}
	}
	switch p := p.(type) {
	case *T:
		return p
	case unsafe.Pointer:
		return (*T)(p)
	}
	if p == nil || reflect.ValueOf(p).IsZero() {
		return nil
	}
	var to *T
	panic(fmt.Sprintf("cast of a %T: no %T is known behind it: say kt.lead(p, &…)", p, to))
}

func emit(values ...any) { kt.emitted = append(kt.emitted, values) }

func printf(format string, values ...any) {
	kt.printed = append(kt.printed, fmt.Sprintf(format, values...))
}

type stack struct{ id int64 }

func kstack() stack { return kt.kstack }

func ustack() stack { return kt.ustack }

func place() point { return kt.place }

type point uint32

type trap struct {
	nr   uint32
	addr uint64
	user bool
}

type hist struct{ *ktAdded }

func (h hist) add(v any) { h.take(v) }

func (h hist) linear(v any, least, most, step int) { h.take(v) }

type stat struct{ *ktAdded }

func (s stat) add(v any) { s.take(v) }

// ktAdded is what a hist or a stat was given.
type ktAdded struct{ values []int64 }

func (a *ktAdded) take(v any) {
	if a == nil {
		panic("add to a value that the map does not have: put it there first, as m[key] = kt.hist()")
	}
	n := reflect.ValueOf(v)
	switch {
	case n.CanInt():
		a.values = append(a.values, n.Int())
	case n.CanUint():
		a.values = append(a.values, int64(n.Uint()))
	default:
		panic(fmt.Sprintf("add takes an integer, not a %T", v))
	}
}

// hist makes a hist to be put into a map. Go tells m[key].add(v) neither m nor key:
// a test puts the value there first, as m[key] = kt.hist().
func (m *ktMachine) hist() hist { return hist{new(ktAdded)} }

// stat makes a stat to be put into a map.
func (m *ktMachine) stat() stat { return stat{new(ktAdded)} }

// empty makes a variable zero, and a map one without keys.
func (m *ktMachine) empty(p any) {
	v := reflect.ValueOf(p).Elem()
	if v.SetZero(); v.Kind() == reflect.Map {
		v.Set(reflect.MakeMap(v.Type()))
	}
}
