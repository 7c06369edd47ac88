package ktrap

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"ktrap/internal/object"
	"ktrap/internal/value"
)

// Table is a package variable of a handler file, as it stands.
type Table struct {
	Name string `json:"name"`
	// Value is the variable's, if it is no map and no histogram; a stat's is a
	// struct of count, sum, avg, min and max.
	Value *Value `json:"value,omitempty"`
	// Entries are a map's, the largest first.
	Entries []Entry `json:"entries,omitempty"`
	// Buckets are a histogram's: see Scale.
	Buckets []uint64 `json:"buckets,omitempty"`
	// Scale says what Buckets count, of the table and of its entries; nil where
	// there are none.
	Scale *Scale `json:"scale,omitempty"`
	// Other is what found no room in a map of counts, sums, stats or histograms,
	// added up exactly; nil if everything did. Its key is missing.
	Other *Entry `json:"other,omitempty"`
	// Rest is what Top left out, added up, and Left how many entries that were.
	Rest *Entry `json:"rest,omitempty"`
	Left int    `json:"left,omitempty"`
	// Full tells that a map has as many entries as it can hold, and that what
	// was written to others is not in it.
	Full bool `json:"full,omitempty"`
}

// Entry is a map's key and its value.
type Entry struct {
	Key     Value    `json:"key"`
	Value   Value    `json:"value"` // of a histogram, how many values it counted
	Buckets []uint64 `json:"buckets,omitempty"`
}

// Scale says what the buckets of a histogram count. Without a Step bucket n counts
// the values of n bits, and the last, if it is Signed, those below zero. Else the
// first counts what is below Least, the last what is not below Most, and those
// between them Step values each.
type Scale struct {
	Signed bool  `json:"signed,omitempty"`
	Least  int64 `json:"least,omitempty"`
	Most   int64 `json:"most,omitempty"`
	Step   int64 `json:"step,omitempty"`
}

// Top leaves the first n entries, and adds up the rest.
func (t *Table) Top(n int) {
	if n <= 0 || len(t.Entries) <= n {
		return
	}
	rest := t.Entries[n:]
	t.Rest, t.Left = &Entry{Value: rest[0].Value, Buckets: slices.Clone(rest[0].Buckets)}, len(rest)
	for _, e := range rest[1:] {
		t.Rest.Value = added(t.Rest.Value, e.Value)
		for i, n := range e.Buckets {
			t.Rest.Buckets[i] += n
		}
	}
	t.Entries = t.Entries[:n:n]
}

// Like brings the entries into the order that another table has them in, by their
// keys, so that Top leaves the same of both. What the other has not comes last.
func (t *Table) Like(other Table) {
	order := map[string]int{}
	for i, e := range other.Entries {
		order[e.Key.String()] = i - len(other.Entries)
	}
	t.Entries = slices.Clone(t.Entries)
	slices.SortStableFunc(t.Entries, func(a, b Entry) int { return cmp.Compare(order[a.Key.String()], order[b.Key.String()]) })
}

// added is the sum of two values of one map.
func added(a, b Value) Value {
	if a.Kind != value.Struct {
		a.Bits += b.Bits
		return a
	}
	s, t := statIn(a), statIn(b)
	return merged([]stat{s, t})
}

// statIn is merged, backwards.
func statIn(v Value) (s stat) {
	if s.Count = v.Fields[0].Bits; s.Count == 0 || len(v.Fields) < 5 {
		return s
	}
	s.Sum = int64(v.Fields[1].Bits)
	s.Down, s.Up = ^(v.Fields[3].Bits ^ 1<<63), v.Fields[4].Bits^1<<63
	return s
}

// Tables returns the file's variables as they stand, in the order of the file; once
// the session is closed, as they stood then.
func (x *Script) Tables() ([]Table, error) {
	switch {
	case x.final != nil:
		return slices.Clone(x.final), nil
	case x.maps == nil:
		return nil, fmt.Errorf("read the variables of %s: it does not run", x.file.Name)
	}
	var tables []Table
	var errs []error
	for _, m := range x.unit.Maps {
		more, err := x.read(m)
		tables, errs = append(tables, more...), append(errs, err)
	}
	return tables, errors.Join(errs...)
}

func (x *Script) read(m object.Map) (tables []Table, err error) {
	from := x.maps[m.Name]
	if from == nil || m.Kind == object.StackMap || m.Hidden {
		return nil, nil
	}
	if m.Name == object.Vars {
		tables, err = x.variables(m, from)
	} else {
		var t Table
		t, err = x.readTable(m, from)
		tables = []Table{t}
	}
	if err != nil {
		return nil, fmt.Errorf("read the map %s of %s: %w", m.Name, x.file.Name, err)
	}
	return tables, nil
}

func (x *Script) readTable(m object.Map, from *ebpf.Map) (t Table, err error) {
	t = Table{Name: m.Name}
	if m.Shape == object.Hist {
		t.Scale = &Scale{Signed: m.Signed, Least: m.Scale.Least, Most: m.Scale.Most, Step: m.Scale.Step}
	}
	switch {
	case m.Kind == object.PerCPUArray && m.Shape == object.Hist:
		t.Buckets, err = buckets(m, from)
	case m.Kind == object.PerCPUArray:
		t.Value = new(Value)
		*t.Value, err = statOf(from, uint32(0))
	default:
		t.Entries, err = x.entries(m, from)
		t.Full = m.Puts && len(t.Entries) >= m.Entries
		if err == nil {
			t.Other, err = x.other(m)
		}
	}
	return t, err
}

func (x *Script) variables(m object.Map, from *ebpf.Map) (tables []Table, err error) {
	data, err := from.LookupBytes(uint32(0))
	for _, f := range m.Fields {
		if x.words && f.Size > 8 {
			continue
		}
		v := value.OfField(f, data)
		v.Name = ""
		tables = append(tables, Table{Name: f.Name, Value: &v})
	}
	return tables, err
}

func buckets(m object.Map, from *ebpf.Map) ([]uint64, error) {
	all := make([]uint64, m.Entries)
	for i := range all {
		var perCPU []uint64
		if err := from.Lookup(uint32(i), &perCPU); err != nil {
			return nil, err
		}
		for _, n := range perCPU {
			all[i] += n
		}
	}
	return all, nil
}

func (x *Script) entries(m object.Map, from *ebpf.Map) (entries []Entry, err error) {
	var key []byte
	next, data := from.Iterate(), any(new([]byte))
	if m.Shape == object.Stat {
		data = new([]stat)
	}
	for next.Next(&key, data) {
		e := Entry{Key: x.session.named(x.traced(value.OfField(m.Key, key), m.Key), m.Key)}
		e.Key.Name = ""
		switch data := data.(type) {
		case *[]stat:
			e.Value = merged(*data)
		case *[]byte:
			e.fill(m, *data)
		}
		entries = append(entries, e)
	}
	by := compare
	if m.Shape == object.Stat {
		by = func(a, b Value) int { return cmp.Compare(sum(a), sum(b)) }
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(-by(a.Value, b.Value), compare(a.Key, b.Key), cmp.Compare(a.Key.String(), b.Key.String()))
	})
	return entries, next.Err()
}

// fill takes a value that all CPUs share.
func (e *Entry) fill(m object.Map, data []byte) {
	if m.Shape != object.Hist {
		e.Value = value.OfField(m.Value, data)
		e.Value.Name = ""
		return
	}
	e.Value.Kind = value.Uint
	for at := 0; at+8 <= len(data); at += 8 {
		e.Buckets = append(e.Buckets, le.Uint64(data[at:]))
		e.Value.Bits += e.Buckets[len(e.Buckets)-1]
	}
}

// other is what found no room in a map, nil if there is nothing.
func (x *Script) other(m object.Map) (*Entry, error) {
	var e Entry
	switch {
	case m.Other != "":
		v, err := statOf(x.maps[m.Other], uint32(0))
		if err != nil || v.Fields[0].Bits == 0 {
			return nil, err
		}
		e.Value = v
	case m.Over != 0:
		vars, err := x.maps[object.Vars].LookupBytes(uint32(0))
		if err != nil {
			return nil, err
		}
		if e.fill(m, vars[m.Over:][:m.ValueSize]); e.Value.Bits == 0 {
			return nil, nil
		}
	default:
		return nil, nil
	}
	return &e, nil
}

// stat is a CPU's part of one, as object.StatSize has it.
type stat struct {
	Count    uint64
	Sum      int64
	Up, Down uint64
}

func statOf(from *ebpf.Map, key any) (Value, error) {
	var perCPU []stat
	err := from.Lookup(key, &perCPU)
	return merged(perCPU), err
}

// merged is a stat as a value: without any values it has a count only.
func merged(perCPU []stat) Value {
	var all stat
	for _, s := range perCPU {
		all.Count += s.Count
		all.Sum += s.Sum
		all.Up, all.Down = max(all.Up, s.Up), max(all.Down, s.Down)
	}
	v := Value{Kind: value.Struct, Fields: []Value{{Name: "count", Kind: value.Uint, Bits: all.Count}}}
	if all.Count == 0 {
		return v
	}
	for _, f := range []struct {
		name string
		is   int64
	}{
		{"sum", all.Sum}, {"avg", all.Sum / int64(all.Count)},
		{"min", int64(^all.Down ^ 1<<63)}, {"max", int64(all.Up ^ 1<<63)},
	} {
		v.Fields = append(v.Fields, Value{Name: f.name, Kind: value.Int, Bits: uint64(f.is)})
	}
	return v
}

// sum is a stat's.
func sum(v Value) int64 {
	if len(v.Fields) > 1 {
		return int64(v.Fields[1].Bits)
	}
	return 0
}

// compare orders numbers; what is none is equal.
func compare(a, b Value) int {
	if a.Kind == value.Int && b.Kind == value.Int {
		return cmp.Compare(int64(a.Bits), int64(b.Bits))
	}
	return cmp.Compare(a.Bits, b.Bits)
}
