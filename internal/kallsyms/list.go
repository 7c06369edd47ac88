package kallsyms

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"iter"
	"slices"
)

// A List is a table read from text, in address order. Symbols at one address
// keep the order of the text, as the kernel prefers the first of them. It does
// not change and may be used from many goroutines.
type List struct {
	entries []listed
	texts   []byte // lines without their addresses
}

type listed struct {
	addr uint64
	text uint32 // where in texts
	size uint32 // bytes of its own, or 0 if the next symbol tells alone
}

// Read reads the text of /proc/kallsyms: the kernel's own symbols, then those of
// its modules and of what passes for one ("bpf", "__builtin__ftrace"):
//
//	ffffffff81a0b0c0 t unix_stream_connect
//	ffffffffc0345010 t ext4_sync_file	[ext4]
//
// The kernel's are left out where modulesOnly is set, which saves their memory.
func Read(r io.Reader, modulesOnly bool) (kernel, modules *List, err error) {
	kernel, modules = &List{}, &List{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		addr, text, ok := cutAddress(lines.Bytes())
		if !ok {
			return nil, nil, fmt.Errorf("line %d of kallsyms is no symbol: %.80q", n, lines.Bytes())
		}
		switch _, name, module := cutText(text); {
		case module == nil && !modulesOnly:
			kernel.add(addr, 0, text)
		case module != nil && name[0] != '$': // ELF's mapping symbols name nothing
			modules.add(addr, 0, text)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fmt.Errorf("read kallsyms: %w", err)
	}
	kernel.sort()
	modules.sort()
	return kernel, modules, nil
}

func (l *List) add(addr, size uint64, text []byte) {
	l.entries = append(l.entries, listed{addr, uint32(len(l.texts)), uint32(size)})
	l.texts = append(append(l.texts, text...), '\n')
}

func (l *List) sort() {
	slices.SortStableFunc(l.entries, func(a, b listed) int { return cmp.Compare(a.addr, b.addr) })
}

// Len returns the number of symbols.
func (l *List) Len() int { return len(l.entries) }

// Addr returns the address of symbol i; they ascend.
func (l *List) Addr(i int) uint64 { return l.entries[i].addr }

// Symbol returns symbol i.
func (l *List) Symbol(i int) Symbol {
	typ, name, module := cutText(l.text(i))
	if module != nil {
		typ |= 0x20
	}
	s := Symbol{Name: string(name), Module: string(module), Addr: l.Addr(i), Type: typ}
	s.Size = size(l, i)
	if own := uint64(l.entries[i].size); own != 0 {
		if last := toPage(s.Addr+own) - s.Addr; s.Size == 0 || s.Size > last {
			s.Size = last
		}
	}
	return s
}

// toPage rounds up: of what is behind a module's last symbol the kernel says
// that it belongs to it, up to the end of the page.
func toPage(addr uint64) uint64 { return (addr + pageSize - 1) &^ (pageSize - 1) }

// InOrder yields every symbol as it was listed, with the letter that it has
// there: a capital one for what a module exports.
func (l *List) InOrder() iter.Seq[Symbol] {
	order := make([]int, l.Len())
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(l.entries[a].text, l.entries[b].text) })
	return func(yield func(Symbol) bool) {
		for _, i := range order {
			s := l.Symbol(i)
			s.Type = l.text(i)[0]
			if !yield(s) {
				return
			}
		}
	}
}

func (l *List) text(i int) []byte {
	text, _, _ := bytes.Cut(l.texts[l.entries[i].text:], []byte{'\n'})
	return text
}

// WithPrefix yields in address order every symbol whose name begins with prefix.
func (l *List) WithPrefix(prefix string) iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		for i, e := range l.entries {
			// No name goes on into the tab or newline behind it.
			if bytes.HasPrefix(l.texts[e.text+2:], []byte(prefix)) && !yield(l.Symbol(i)) {
				return
			}
		}
	}
}

// Names yields the names of the symbols that lie in [start, end), by address.
func (l *List) Names(start, end uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i, last := firstFrom(l, start), firstFrom(l, end); i < last; i++ {
			if _, name, _ := cutText(l.text(i)); !yield(name) {
				return
			}
		}
	}
}

// cutAddress splits a line, which is ADDRESS TYPE NAME and perhaps [MODULE].
func cutAddress(line []byte) (addr uint64, text []byte, ok bool) {
	digits, text, _ := bytes.Cut(line, []byte{' '})
	if len(digits) == 0 || len(digits) > 16 || len(text) < 3 || text[1] != ' ' || text[2] == '\t' {
		return 0, nil, false
	}
	for _, c := range digits {
		switch {
		case '0' <= c && c <= '9':
			addr = addr<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			addr = addr<<4 | uint64(c-'a'+10)
		default:
			return 0, nil, false
		}
	}
	return addr, text, true
}

// cutText splits the rest of a line; module is nil for the kernel proper.
func cutText(text []byte) (typ byte, name, module []byte) {
	name, module, _ = bytes.Cut(text[2:], []byte{'\t'})
	return text[0], name, bytes.Trim(module, "[]")
}
