package diag

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	tabWidth    = 4
	snippetWide = 100 // columns of source shown at most
)

// Render is the mistake's line, followed by its line of source with a caret
// where source, the whole file, holds it.
func (e *Error) Render(source []byte) string {
	line, ok := lineOf(source, e.Pos.Line)
	if !ok {
		return e.Error()
	}
	text, from, to := e.layOut(line)
	number := fmt.Sprintf("%5d | ", e.Pos.Line)
	margin := strings.Repeat(" ", len(number)-2) + "| "
	return e.Error() + "\n" +
		strings.TrimRight(number+text, " ") + "\n" +
		margin + strings.Repeat(" ", from) + strings.Repeat("^", to-from)
}

// Render renders each mistake; source gives a file's content, nil where it has none.
func (l List) Render(source func(file string) []byte) string {
	parts := make([]string, len(l))
	for i, e := range l {
		parts[i] = e.Render(source(e.Pos.Filename))
	}
	return strings.Join(parts, "\n")
}

// lineOf is line number n of source, without its end.
func lineOf(source []byte, n int) ([]byte, bool) {
	if n < 1 || source == nil {
		return nil, false
	}
	for ; n > 1; n-- {
		end := bytes.IndexByte(source, '\n')
		if end < 0 {
			return nil, false
		}
		source = source[end+1:]
	}
	if end := bytes.IndexByte(source, '\n'); end >= 0 {
		source = source[:end]
	}
	return bytes.TrimSuffix(source, []byte("\r")), true
}

// layOut is the line as it is shown, and the columns of the carets below it. A
// long line is shown around its guilty words only.
func (e *Error) layOut(line []byte) (text string, from, to int) {
	start := min(max(e.Pos.Column-1, 0), len(line))
	end := len(line)
	if e.End.Line == e.Pos.Line && e.End.IsValid() {
		end = min(max(e.End.Column-1, start), len(line))
	} else if e.End.Line <= e.Pos.Line {
		end = start
	}
	first, last := window(line, start)
	head, tail := "", ""
	if first > 0 {
		head = "…"
	}
	if last < len(line) {
		tail = "…"
	}
	before, guilty, after := show(line[first:start]), show(line[start:min(end, last)]), show(line[min(max(end, start), last):last])
	from = columns(head) + columns(before)
	return head + before + guilty + after + tail, from, from + max(columns(guilty), 1)
}

// window is the part of line to show, cut between runes: what leads to at, and
// what follows it.
func window(line []byte, at int) (first, last int) {
	if len(line) <= snippetWide {
		return 0, len(line)
	}
	first = max(0, at-snippetWide/2)
	last = min(len(line), first+snippetWide)
	for first < at && !utf8.RuneStart(line[first]) {
		first++
	}
	for last < len(line) && !utf8.RuneStart(line[last]) {
		last++
	}
	return first, last
}

// show is source fit for a terminal: tabs become spaces, and what would move the
// cursor or cannot be read becomes a dot.
func show(source []byte) string {
	var b strings.Builder
	for _, r := range string(source) {
		switch {
		case r == '\t':
			b.WriteString(strings.Repeat(" ", tabWidth))
		case r == utf8.RuneError, unicode.Is(unicode.Bidi_Control, r), unicode.IsControl(r):
			b.WriteRune('·')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// columns is how many columns of a terminal s takes.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case isWide(r):
			n += 2
		default:
			n++
		}
	}
	return n
}

// isWide tells the runes that terminals give two columns: the wide blocks of
// Unicode's EastAsianWidth.txt, rounded to whole blocks.
func isWide(r rune) bool {
	return r >= 0x1100 && (r <= 0x115f || // Hangul Jamo
		r >= 0x2e80 && r <= 0xa4cf && r != 0x303f || // CJK, kana, Yi
		r >= 0xac00 && r <= 0xd7a3 || // Hangul
		r >= 0xf900 && r <= 0xfaff || // CJK compatibility
		r >= 0xfe30 && r <= 0xfe6f ||
		r >= 0xff00 && r <= 0xff60 || r >= 0xffe0 && r <= 0xffe6 || // full width
		r >= 0x1f300 && r <= 0x1f64f || r >= 0x1f900 && r <= 0x1f9ff || // emoji
		r >= 0x20000 && r <= 0x3fffd)
}
