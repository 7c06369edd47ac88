package kallsyms

import (
	"fmt"
	"iter"
)

// A Table is a kernel's own symbol table with its names left compressed. It
// does not change and may be used from many goroutines.
type Table struct {
	*decoder
	addresses
	names []byte
	marks []int // where in names every 256th symbol starts
}

const markEvery = 256

// Load reads the arrays at l and checks that every name and token lies in its
// array. Names are taken to end before TokenTable, as in every kernel known.
func Load(mem Memory, l Layout) (*Table, error) {
	d, err := newDecoder(mem, l)
	if err != nil {
		return nil, err
	}
	t := &Table{decoder: d}
	if t.names, err = span(mem, "kallsyms_names", l.Names, l.TokenTable); err != nil {
		return nil, err
	}
	if t.marks, _, err = walk(t.names, d.n); err != nil {
		return nil, err
	}
	offsets, err := span(mem, "kallsyms_offsets", l.Offsets, l.Offsets+4*uint64(d.n))
	t.addresses = addresses{d.address, 0, offsets}
	return t, err
}

// walk passes over n names and returns where every 256th starts and the last
// ends.
func walk(names []byte, n int) (marks []int, at int, err error) {
	for i := range n {
		if !within(names, at) {
			return nil, 0, fmt.Errorf("kallsyms_names: symbol %d of %d lies outside", i, n)
		}
		if i%markEvery == 0 {
			marks = append(marks, at)
		}
		_, at = entry(names, at)
	}
	return marks, at, nil
}

// Symbol returns symbol i.
func (t *Table) Symbol(i int) Symbol {
	for _, tokens := range t.entries(i) {
		return t.symbol(tokens, t.from(i))
	}
	panic(fmt.Sprintf("ktrap bug: symbol %d of %d", i, t.n))
}

// WithPrefix yields in address order every symbol whose name begins with prefix.
// It passes over the whole table, but a name's first tokens most often tell that
// it need not be read.
func (t *Table) WithPrefix(prefix string) iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		first, second := t.starters(1, prefix), t.starters(0, prefix)
		for i, tokens := range t.entries(0) {
			if !first[tokens[0]] || len(tokens) > 1 && len(t.tokens[tokens[0]]) == 1 && !second[tokens[1]] {
				continue
			}
			rest, ok := t.match(tokens, 1, prefix)
			if ok && rest == "" && !yield(t.symbol(tokens, t.from(i))) {
				return
			}
		}
	}
}

// InOrder yields every symbol as /proc/kallsyms lists them: by address.
func (t *Table) InOrder() iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		for i, tokens := range t.entries(0) {
			if !yield(t.symbol(tokens, t.from(i))) {
				return
			}
		}
	}
}

// starters tells of every token whether a text that begins with it may go on,
// after the bytes skipped, as the prefix does.
func (t *Table) starters(skip int, prefix string) (may [256]bool) {
	for i := range may {
		_, may[i] = t.match([]byte{byte(i)}, skip, prefix)
	}
	return may
}

// match compares the tokens' text, after the bytes skipped, with prefix as far
// as both go, and returns the rest of the prefix.
func (t *Table) match(tokens []byte, skip int, prefix string) (rest string, ok bool) {
	for _, token := range tokens {
		text := t.tokens[token]
		cut := min(skip, len(text))
		text, skip = text[cut:], skip-cut
		n := min(len(text), len(prefix))
		if text[:n] != prefix[:n] {
			return prefix, false
		}
		if prefix = prefix[n:]; prefix == "" {
			break
		}
	}
	return prefix, true
}

// Names yields the names of the symbols that lie in [start, end), by address. A
// name is good until the next.
func (t *Table) Names(start, end uint64) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var typed []byte
		last := firstFrom(t, end)
		for i, tokens := range t.entries(firstFrom(t, start)) {
			typed = t.typed(typed[:0], tokens)
			if i >= last || !yield(typed[1:]) {
				return
			}
		}
	}
}

// entries yields the tokens of the symbols from first on.
func (t *Table) entries(first int) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		if first >= t.n {
			return
		}
		i := first / markEvery * markEvery
		start, end := 0, t.marks[first/markEvery]
		for ; i < t.n; i++ {
			start, end = entry(t.names, end)
			if i >= first && !yield(i, t.names[start:end]) {
				return
			}
		}
	}
}
