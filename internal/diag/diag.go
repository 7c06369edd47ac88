// Package diag is a mistake at a source position: what is wrong, where, and how
// it is mended, under a code that does not change.
//
// A mistake prints as one line,
//
//	busy.go:12:15: sock has no field sk_sndbuff (did you mean sk_sndbuf?) [unknown-field]
//
// and Render adds the line of source with a caret under the guilty words:
//
//	12 | if size > sk.sk_sndbuff/2 {
//	   |              ^^^^^^^^^^
//
// The room reads no files and writes none: whoever has the source hands it over.
package diag

import (
	"cmp"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// An Error is one mistake.
type Error struct {
	Code Code
	Pos  token.Position // columns count bytes, from 1; the zero Position where none is known
	End  token.Position // just behind the guilty words; may be zero
	Msg  string         // what is wrong, lower case, without a full stop
	Hint string         // how to mend it, such as "did you mean sk_sndbuf?", or ""
}

// Error is the mistake in one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Pos.Filename != "" || e.Pos.IsValid() {
		b.WriteString(e.Pos.String())
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	if e.Code != "" {
		b.WriteString(" [" + string(e.Code) + "]")
	}
	return b.String()
}

// A List is the mistakes of one compilation. The zero List is empty.
type List []*Error

// Add appends a mistake.
func (l *List) Add(e *Error) { *l = append(*l, e) }

// Sort orders by file, line and column, and drops what is said twice.
func (l *List) Sort() {
	slices.SortStableFunc(*l, compare)
	*l = slices.CompactFunc(*l, func(a, b *Error) bool { return *a == *b })
}

func compare(a, b *Error) int {
	return cmp.Or(
		cmp.Compare(a.Pos.Filename, b.Pos.Filename),
		cmp.Compare(a.Pos.Line, b.Pos.Line),
		cmp.Compare(a.Pos.Column, b.Pos.Column),
		cmp.Compare(a.Msg, b.Msg),
	)
}

// Err is the sorted list as an error, or nil if there are no mistakes.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	l.Sort()
	return l
}

// Error is one line a mistake, the first ten of them.
func (l List) Error() string {
	const most = 10
	lines := make([]string, 0, most+1)
	for _, e := range l[:min(len(l), most)] {
		lines = append(lines, e.Error())
	}
	if more := len(l) - most; more > 0 {
		lines = append(lines, "and "+strconv.Itoa(more)+" more")
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find the mistakes.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, e := range l {
		errs[i] = e
	}
	return errs
}
