// Package process tells in which functions the code addresses of a process are:
// by what it has mapped, and by the symbol tables of those files.
package process

import (
	"bufio"
	"cmp"
	"debug/elf"
	"fmt"
	"os"
	"slices"
	"strings"
)

// A Process is one that was alive when it was opened.
type Process struct {
	pid  int
	maps []mapping // of code, by address
	code map[string]*image
}

type mapping struct {
	start, end, offset uint64
	path               string
}

// Open reads what a process has mapped. It fails if the process is gone.
func Open(pid int) (*Process, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, fmt.Errorf("read what process %d has mapped: %w", pid, err)
	}
	defer f.Close()
	p := &Process{pid: pid, code: map[string]*image{}}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m, ok := parse(lines.Text()); ok {
			p.maps = append(p.maps, m)
		}
	}
	return p, nil
}

// parse reads a line of /proc/PID/maps:
//
//	7f0c8000-7f0c9000 r-xp 00001000 08:01 1234    /usr/lib/libc.so.6
func parse(line string) (m mapping, ok bool) {
	var rights, device string
	var inode uint64
	n, _ := fmt.Sscanf(line, "%x-%x %s %x %s %d", &m.start, &m.end, &rights, &m.offset, &device, &inode)
	if n < 6 || !strings.Contains(rights, "x") {
		return m, false
	}
	if fields := strings.Fields(line); len(fields) > 5 {
		m.path = strings.Join(fields[5:], " ")
	}
	return m, true
}

// Find names the function that an address is in, as name+0xoffset, and the file
// that it is of. Without a symbol it is the file and the offset in it; both are
// empty for an address that is not of code.
func (p *Process) Find(addr uint64) (name, file string) {
	i, found := slices.BinarySearchFunc(p.maps, addr, func(m mapping, a uint64) int {
		switch {
		case a >= m.end:
			return -1
		case a < m.start:
			return 1
		}
		return 0
	})
	if !found {
		return "", ""
	}
	m := p.maps[i]
	at := addr - m.start + m.offset
	if !strings.HasPrefix(m.path, "/") {
		return fmt.Sprintf("%s+%#x", cmp.Or(m.path, "[anonymous]"), at), m.path
	}
	if p.code[m.path] == nil {
		p.code[m.path] = openImage(fmt.Sprintf("/proc/%d/root%s", p.pid, m.path))
	}
	if name, ok := p.code[m.path].find(at); ok {
		return name, m.path
	}
	return fmt.Sprintf("%s+%#x", m.path[strings.LastIndexByte(m.path, '/')+1:], at), m.path
}

// image is an ELF file's functions.
type image struct {
	parts []*elf.Prog
	funcs []elf.Symbol // by address
}

// openImage reads a file's functions: none if it has none, or is no ELF file.
func openImage(path string) *image {
	im := new(image)
	f, err := elf.Open(path)
	if err != nil {
		return im
	}
	defer f.Close()
	for _, part := range f.Progs {
		if part.Type == elf.PT_LOAD && part.Flags&elf.PF_X != 0 {
			im.parts = append(im.parts, part)
		}
	}
	static, _ := f.Symbols()
	dynamic, _ := f.DynamicSymbols()
	for _, s := range append(static, dynamic...) {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Value != 0 {
			im.funcs = append(im.funcs, s)
		}
	}
	slices.SortFunc(im.funcs, func(a, b elf.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	return im
}

// find names the function at an offset in the file.
func (im *image) find(offset uint64) (string, bool) {
	for _, part := range im.parts {
		if offset < part.Off || offset-part.Off >= part.Filesz {
			continue
		}
		addr := offset - part.Off + part.Vaddr
		i, found := slices.BinarySearchFunc(im.funcs, addr, func(s elf.Symbol, a uint64) int { return cmp.Compare(s.Value, a) })
		if !found {
			i--
		}
		if i < 0 {
			return "", false
		}
		s := im.funcs[i]
		switch past := addr - s.Value; {
		case past == 0:
			return s.Name, true
		case s.Size == 0 || past < s.Size:
			return fmt.Sprintf("%s+%#x", s.Name, past), true
		}
	}
	return "", false
}
