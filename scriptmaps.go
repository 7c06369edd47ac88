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
	// Value is the variable's, if it is no map and no histogram.
	Value *Value `json:"value,omitempty"`
	// Entries are a map's, the largest first.
	Entries []Entry `json:"entries,omitempty"`
	// Buckets are a histogram's: entry 0 counts zeros, entry n the values of n bits.
	Buckets []uint64 `json:"buckets,omitempty"`
	// Full tells that a map has as many entries as it can hold: what found no room
	// is not in it.
	Full bool `json:"full,omitempty"`
}

// Entry is a map's key and its value.
type Entry struct {
	Key   Value `json:"key"`
	Value Value `json:"value"`
}

// Tables returns the file's variables as they stand, in the order of the file,
// until the session closes.
func (x *Script) Tables() ([]Table, error) {
	if x.maps == nil {
		return nil, fmt.Errorf("read the variables of %s: it does not run, or its session is closed", x.name)
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
	switch {
	case from == nil || m.Kind == object.StackMap:
		return nil, nil
	case m.Name == object.Vars:
		tables, err = x.variables(m, from)
	case m.Hist:
		tables = []Table{{Name: m.Name}}
		tables[0].Buckets, err = buckets(m, from)
	default:
		tables = []Table{{Name: m.Name}}
		tables[0].Entries, err = x.entries(m, from)
		tables[0].Full = len(tables[0].Entries) >= m.Entries
	}
	if err != nil {
		return nil, fmt.Errorf("read the map %s of %s: %w", m.Name, x.name, err)
	}
	return tables, nil
}

func (x *Script) variables(m object.Map, from *ebpf.Map) (tables []Table, err error) {
	data, err := from.LookupBytes(uint32(0))
	for _, f := range m.Fields {
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
	var key, data []byte
	for all := from.Iterate(); ; {
		if !all.Next(&key, &data) {
			err = all.Err()
			break
		}
		e := Entry{Key: value.OfField(m.Key, key), Value: value.OfField(m.Value, data)}
		e.Key.Name, e.Value.Name = "", ""
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(-compare(a.Value, b.Value), compare(a.Key, b.Key), cmp.Compare(a.Key.String(), b.Key.String()))
	})
	return entries, err
}

// compare orders numbers; what is none is equal.
func compare(a, b Value) int {
	if a.Kind == value.Int && b.Kind == value.Int {
		return cmp.Compare(int64(a.Bits), int64(b.Bits))
	}
	return cmp.Compare(a.Bits, b.Bits)
}
