package dwarfline

import (
	"fmt"
	"path"
	"strings"
)

// At tells the lines of source that the instruction at addr (as linked) was made
// from, innermost first: the line itself, then where each function that it is in
// was inlined. What it has read of the unit and the function it keeps for the
// next question, so ask for the addresses of a function one after the other.
func (f *File) At(addr uint64) (frames []Frame, err error) {
	defer guard(&err)
	defer faults()()
	u, err := f.unitAt(addr)
	if err != nil {
		return nil, fmt.Errorf("source of %#x: %w", addr, err)
	}
	frames, err = u.frames(f, addr)
	if err != nil {
		return nil, fmt.Errorf("source of %#x: %w", addr, err)
	}
	return frames, nil
}

// unitAt opens the unit of an address, unless it is open.
func (f *File) unitAt(addr uint64) (*unit, error) {
	if f.last != nil {
		if fn, err := f.last.functionAt(addr); err == nil && fn != nil {
			return f.last, nil
		}
	}
	at, err := f.unitOf(addr)
	if err != nil || f.last != nil && f.last.at == at {
		return f.last, err
	}
	f.last, err = f.open(at)
	return f.last, err
}

func (u *unit) frames(f *File, addr uint64) ([]Frame, error) {
	if err := u.readRows(f); err != nil {
		return nil, err
	}
	row, ok := u.rowAt(addr)
	if !ok {
		return nil, ErrNone
	}
	fn, err := u.functionAt(addr)
	if err != nil {
		return nil, err
	}
	here := Frame{File: inTree(u.tree, row.file.Name), Line: row.line}
	if fn == nil {
		return []Frame{here}, nil
	}
	here.Func = fn.name
	return u.unfold(here, fn.inlined, addr), nil
}

// unfold puts the frames of inlined functions before the function's own. Calls
// come outer first, and each is written in the one before it.
func (u *unit) unfold(here Frame, calls []call, addr uint64) []Frame {
	frames := []Frame{here}
	for _, c := range calls {
		if !within(c.ranges, addr) {
			continue
		}
		frames[0] = Frame{File: u.file(c.file), Line: int(c.line), Func: frames[0].Func}
		frames = append([]Frame{{File: here.File, Line: here.Line, Func: c.name}}, frames...)
	}
	return frames
}

// treeOf is the kernel's tree by the folder that was built in. Debian builds up
// to 5.10 in a folder of the tree: debian/build/build_amd64_none_cloud-amd64.
func treeOf(dir string) string {
	tree, _, _ := strings.Cut(dir, "/debian/build/")
	return strings.TrimSuffix(tree, "/")
}

// inTree is a path as it stands in the kernel's tree. Files that the build made
// have no other place than where it made them; their names are as if in the tree.
func inTree(tree, file string) string {
	file = path.Clean(file)
	if tree != "" {
		file = strings.TrimPrefix(file, tree+"/")
	}
	if rest, ok := strings.CutPrefix(file, "debian/build/"); ok {
		_, file, _ = strings.Cut(rest, "/")
	}
	return file
}
