package patch

import (
	"bytes"
	"errors"
	"fmt"

	"ktrap/internal/btf"
)

// Modules says where the struct module of a kernel keeps its tables. It is the
// same for all modules of one kernel.
type Modules struct {
	list, name uint64 // offsets of members in bytes
	tables     [kinds]moduleTable
}

// A moduleTable is the members of struct module that tell of a table. Those of
// a kernel built without that kind of table are not there: stride is 0.
type moduleTable struct {
	start, count uint64
	stride       int
}

// moduleMembers are the names of these members, and of the struct that entries
// are; ftrace's are addresses.
var moduleMembers = map[Kind]struct{ start, count, entry string }{
	Ftrace:     {"ftrace_callsites", "num_ftrace_callsites", ""},
	JumpLabel:  {"jump_entries", "num_jump_entries", "jump_entry"},
	StaticCall: {"static_call_sites", "num_static_call_sites", "static_call_site"},
	Exception:  {"extable", "num_exentries", "exception_table_entry"},
	Bug:        {"bug_table", "num_bugs", "bug_entry"},
}

// ModulesOf reads from a kernel's BTF where its modules keep their tables.
func ModulesOf(spec *btf.Spec) (*Modules, error) {
	members, _, err := structOf(spec, "module")
	if err != nil {
		return nil, err
	}
	m := new(Modules)
	var ok1, ok2 bool
	m.list, ok1 = members["list"]
	m.name, ok2 = members["name"]
	if !ok1 || !ok2 {
		return nil, errors.New("struct module has no list or no name")
	}
	for k, names := range moduleMembers {
		start, ok1 := members[names.start]
		count, ok2 := members[names.count]
		if !ok1 || !ok2 {
			continue
		}
		stride := 8
		if names.entry != "" {
			if _, stride, err = structOf(spec, names.entry); err != nil {
				return nil, err
			}
		}
		m.tables[k] = moduleTable{start, count, stride}
	}
	return m, nil
}

// structOf returns the offsets of a struct's members, and its size.
func structOf(spec *btf.Spec, name string) (map[string]uint64, int, error) {
	for _, id := range spec.Types(name, btf.Struct) {
		members, err := spec.Members(id)
		if err != nil || len(members) == 0 {
			continue
		}
		offsets := map[string]uint64{}
		for _, m := range members {
			offsets[m.Name] = uint64(m.Offset) / 8
		}
		size, err := spec.Sizeof(id)
		return offsets, int(size), err
	}
	return nil, 0, fmt.Errorf("BTF has no struct %s", name)
}

// maxModules bounds a list that may have no end.
const maxModules = 1 << 12

// Read reads the tables of a module out of the memory of a running kernel, whose
// symbol "modules" is at head: all that stay, and ftrace's.
func (m *Modules) Read(s Source, head uint64, module string) (*Table, error) {
	at, err := m.find(s.Memory, head, module)
	if err != nil {
		return nil, fmt.Errorf("read the tables of module %s: %w", module, err)
	}
	r := reader{Source: s}
	var errs []error
	for k, t := range m.tables {
		if t.stride != 0 {
			errs = append(errs, r.module(&formats[k], t, at))
		}
	}
	return r.table(), errors.Join(errs...)
}

// find follows the list of modules.
func (m *Modules) find(mem Memory, head uint64, module string) (uint64, error) {
	node := head
	for range maxModules {
		next, err := word(mem, node)
		if err != nil {
			return 0, err
		}
		if node = next; node == head {
			return 0, errors.New("it is not loaded")
		}
		var name [64]byte
		at := node - m.list
		if err := mem.ReadMem(name[:], at+m.name); err != nil {
			return 0, err
		}
		if text, _, _ := bytes.Cut(name[:], []byte{0}); string(text) == module {
			return at, nil
		}
	}
	return 0, errors.New("the list of modules has no end")
}

func (r *reader) module(f *format, t moduleTable, at uint64) error {
	start, err := word(r.Memory, at+t.start)
	if err != nil {
		return fmt.Errorf("find the table of %ss: %w", f.kind, err)
	}
	count, err := word(r.Memory, at+t.count)
	if err != nil {
		return fmt.Errorf("find the table of %ss: %w", f.kind, err)
	}
	raw, err := r.bytes(start, uint64(uint32(count))*uint64(t.stride))
	if err != nil {
		return fmt.Errorf("read the table of %ss: %w", f.kind, err)
	}
	one := *f
	one.strides = []int{t.stride}
	return r.entries(&one, raw, start)
}

func word(mem Memory, addr uint64) (uint64, error) {
	var b [8]byte
	err := mem.ReadMem(b[:], addr)
	return le.Uint64(b[:]), err
}
