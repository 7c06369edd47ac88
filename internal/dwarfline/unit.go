package dwarfline

import (
	"cmp"
	"debug/dwarf"
	"errors"
	"fmt"
	"slices"
)

// unit is one compiled file of the kernel, and what was read of it so far.
type unit struct {
	at     uint64 // its offset in .debug_info
	data   *dwarf.Data
	root   *dwarf.Entry
	tree   string // the folder of the kernel's tree on the machine that built it
	effort int    // how much more may be read of it

	rows      []row
	files     []*dwarf.LineFile
	functions []function
	names     map[dwarf.Offset]string
}

// effortPerByte bounds how many attributes and ranges are read of a unit: entries
// of a byte can share a description of a million, and the next one can be the one
// before. A kernel's units have less than one a byte, and are read twice at most.
const effortPerByte = 8

var errEffort = errors.New("damaged DWARF: a unit goes round in circles")

// open hands one unit's bytes to debug/dwarf.
func (f *File) open(at uint64) (*unit, error) {
	body, err := f.unitBytes(at)
	if err != nil {
		return nil, err
	}
	s := f.sections
	data, err := dwarf.New(s[".debug_abbrev"], nil, nil, body, s[".debug_line"], nil, s[".debug_ranges"], s[".debug_str"])
	if err != nil {
		return nil, fmt.Errorf("unit at %#x: %w", at, err)
	}
	for _, name := range []string{".debug_addr", ".debug_line_str", ".debug_rnglists", ".debug_str_offsets"} {
		if err := data.AddSection(name, s[name]); err != nil {
			return nil, err
		}
	}
	root, err := data.Reader().Next()
	if err == nil && (root == nil || root.Tag != dwarf.TagCompileUnit) {
		err = errors.New("not a compile unit")
	}
	if err != nil {
		return nil, fmt.Errorf("unit at %#x: %w", at, err)
	}
	dir, _ := root.Val(dwarf.AttrCompDir).(string)
	return &unit{at: at, data: data, root: root, tree: treeOf(dir), effort: effortPerByte * len(body), names: map[dwarf.Offset]string{}}, nil
}

// function is a function that has code, and what is inlined into it, in the
// order of the entries: the outer before the inner.
type function struct {
	entry   dwarf.Offset
	ranges  [][2]uint64
	name    string
	inlined []call
	read    bool
}

// call is a function inlined where it is called.
type call struct {
	ranges     [][2]uint64
	name       string
	file, line int64 // of the call
}

// functionAt finds the function that holds an address, or nil.
func (u *unit) functionAt(addr uint64) (*function, error) {
	if u.functions == nil {
		if err := u.readFunctions(); err != nil {
			return nil, err
		}
	}
	for i := range u.functions {
		if fn := &u.functions[i]; within(fn.ranges, addr) {
			return fn, u.readCalls(fn)
		}
	}
	return nil, nil
}

// readFunctions reads the outermost entries.
func (u *unit) readFunctions() error {
	u.functions = []function{}
	r := u.data.Reader()
	r.Seek(u.root.Offset)
	if _, err := r.Next(); err != nil {
		return err
	}
	for {
		e, err := u.next(r)
		if err != nil || e == nil {
			return err
		}
		if e.Tag == dwarf.TagNamespace { // Rust's; its end is the Tag 0 that is skipped
			continue
		}
		if e.Tag == dwarf.TagSubprogram {
			ranges, err := u.ranges(e)
			if err != nil {
				return err
			}
			if len(ranges) > 0 {
				u.functions = append(u.functions, function{entry: e.Offset, ranges: ranges, name: u.name(e)})
			}
		}
		if err := u.skip(r, e); err != nil {
			return err
		}
	}
}

// readCalls reads what is inlined into a function.
func (u *unit) readCalls(fn *function) error {
	if fn.read {
		return nil
	}
	fn.read = true
	r := u.data.Reader()
	r.Seek(fn.entry)
	for depth := 0; ; {
		e, err := u.next(r)
		if err != nil || e == nil {
			return err
		}
		switch e.Tag {
		case 0:
			depth--
		case dwarf.TagInlinedSubroutine, dwarf.TagLexDwarfBlock, dwarf.TagSubprogram:
			if e.Children {
				depth++
			}
		default:
			if err := u.skip(r, e); err != nil {
				return err
			}
		}
		if e.Tag == dwarf.TagInlinedSubroutine {
			c, err := u.call(e)
			if err != nil {
				return err
			}
			fn.inlined = append(fn.inlined, c)
		}
		if depth <= 0 {
			return nil
		}
	}
}

func (u *unit) call(e *dwarf.Entry) (c call, err error) {
	c.ranges, err = u.ranges(e)
	c.name = u.name(e)
	c.file, _ = e.Val(dwarf.AttrCallFile).(int64)
	c.line, _ = e.Val(dwarf.AttrCallLine).(int64)
	return c, err
}

// next reads an entry, which costs effort.
func (u *unit) next(r *dwarf.Reader) (*dwarf.Entry, error) {
	e, err := r.Next()
	if e != nil {
		u.effort -= 1 + len(e.Field)
	}
	if u.effort < 0 {
		return nil, errEffort
	}
	return e, err
}

// skip goes behind an entry's children.
func (u *unit) skip(r *dwarf.Reader, e *dwarf.Entry) error {
	if !e.Children {
		return nil
	}
	if next, ok := e.Val(dwarf.AttrSibling).(dwarf.Offset); ok {
		r.Seek(next)
		return nil
	}
	for depth := 1; depth > 0; {
		e, err := u.next(r)
		if err != nil || e == nil {
			return err
		}
		if e.Tag == 0 {
			depth--
		} else if e.Children {
			depth++
		}
	}
	return nil
}

func (u *unit) ranges(e *dwarf.Entry) ([][2]uint64, error) {
	ranges, err := u.data.Ranges(e)
	u.effort -= len(ranges)
	return ranges, err
}

// name is an entry's name, or that of the entry which it is an instance of.
func (u *unit) name(e *dwarf.Entry) string {
	const hops = 4 // instance, abstract function, declaration
	for range hops {
		if name, ok := e.Val(dwarf.AttrName).(string); ok {
			return name
		}
		of, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
		if !ok {
			of, ok = e.Val(dwarf.AttrSpecification).(dwarf.Offset)
		}
		if !ok {
			return ""
		}
		name, known := u.names[of]
		if !known {
			if e = u.entry(of); e == nil {
				return ""
			}
			if name, known = e.Val(dwarf.AttrName).(string); known {
				u.names[of] = name
			}
		}
		if known {
			return name
		}
	}
	return ""
}

func (u *unit) entry(at dwarf.Offset) *dwarf.Entry {
	r := u.data.Reader()
	r.Seek(at)
	e, err := u.next(r)
	if err != nil {
		return nil
	}
	return e
}

func within(ranges [][2]uint64, addr uint64) bool {
	return slices.ContainsFunc(ranges, func(r [2]uint64) bool { return addr >= r[0] && addr < r[1] })
}

// row is where the code of a line begins.
type row struct {
	addr uint64
	file *dwarf.LineFile
	line int
	end  bool // nothing follows
}

// rowsAtMost bounds what a line program may blow up to.
const rowsAtMost = 1 << 22

// readRows runs the unit's line program. debug/dwarf's SeekPC gives up at the
// first sequence that lies behind an address, and a kernel's unit has many, in
// no order.
func (u *unit) readRows(f *File) error {
	if u.rows != nil {
		return nil
	}
	u.rows = []row{}
	at, ok := u.root.Val(dwarf.AttrStmtList).(int64)
	if !ok {
		return nil
	}
	if err := f.checkLineHeader(at); err != nil {
		return err
	}
	lines, err := u.data.LineReader(u.root)
	if err != nil || lines == nil {
		return err
	}
	var e dwarf.LineEntry
	for lines.Next(&e) == nil {
		u.rows = append(u.rows, row{e.Address, e.File, e.Line, e.EndSequence})
		if len(u.rows) > rowsAtMost {
			return errEffort
		}
	}
	u.files = lines.Files()
	// Where a sequence ends and another begins, the beginning counts.
	slices.SortStableFunc(u.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(order(b.end), order(a.end)))
	})
	return nil
}

func order(end bool) int {
	if end {
		return 1
	}
	return 0
}

// rowAt finds the line of an address: the last row that begins at or before it.
func (u *unit) rowAt(addr uint64) (row, bool) {
	i, _ := slices.BinarySearchFunc(u.rows, addr, func(r row, addr uint64) int {
		if r.addr <= addr {
			return -1
		}
		return 1
	})
	if i == 0 || u.rows[i-1].end || u.rows[i-1].file == nil {
		return row{}, false
	}
	return u.rows[i-1], true
}

// file is the name of a line program's file.
func (u *unit) file(i int64) string {
	if i < 0 || i >= int64(len(u.files)) || u.files[i] == nil {
		return ""
	}
	return inTree(u.tree, u.files[i].Name)
}
