package render

import (
	"fmt"
	"strings"

	"ktrap"
)

// marks are what stands in the margin of an instruction, with the words of the
// legend, from the cheapest probe on.
var marks = []struct {
	mark   ktrap.Mark
	letter byte
	legend string
}{
	{ktrap.MarkFtrace, 'F', "by ftrace"},
	{ktrap.MarkOptimised, 'J', "by a jump"},
	{ktrap.MarkEmulated, 'E', "by int3, emulated"},
	{ktrap.MarkBoosted, 'B', "by int3, boosted"},
	{ktrap.MarkInt3, 'I', "by int3, single-stepped"},
	{ktrap.MarkNone, '-', "no probe"},
	{ktrap.MarkUnknown, '?', "not known"},
}

func letter(m ktrap.Mark) byte {
	for _, known := range marks {
		if known.mark == m {
			return known.letter
		}
	}
	return '?'
}

// AppendDisassembly appends d as a listing: a mark for how a probe would work,
// '>' where a block begins, offset, bytes, instruction; and what the kernel
// patches there. Under it stands what the marks mean.
//
//	J> +0x1f    48 89 f5                mov %rsi,%rbp
//	-  +0x22    0f 1f 44 00 00          nopl 0x0(%rax,%rax,1)  # jump label; no probe: …
func (p Palette) AppendDisassembly(dst []byte, d *ktrap.Disassembly) []byte {
	dst = fmt.Appendf(dst, "%s%s%s  %s, %d bytes, %s (%s)\n", p.place, d.Place, p.reset, d.Addr, d.Size, d.Kernel, d.Source)
	leaders := map[int]bool{}
	for _, b := range d.Blocks {
		leaders[b.Start] = true
	}
	var above []ktrap.SourceLine
	for i, l := range d.Lines {
		if len(l.Source) > 0 && !sameLines(l.Source, above) {
			dst = p.source(dst, l.Source)
			above = l.Source
		}
		dst = p.line(dst, l, leaders[i])
	}
	return p.legend(dst, d.Lines)
}

func (p Palette) line(dst []byte, l ktrap.Line, leader bool) []byte {
	edge := byte(' ')
	if leader {
		edge = '>'
	}
	colour := p.name
	if l.Mark == ktrap.MarkNone {
		colour = p.warning
	}
	dst = append(append(append(dst, colour...), letter(l.Mark)), p.reset...)
	dst = append(dst, edge)
	dst = fmt.Appendf(dst, " %-8s%s%-30s%s %s", fmt.Sprintf("+%#x", l.Offset), p.name, spaced(l.Bytes), p.reset, l.Text)
	var notes []string
	notes = append(notes, l.Patches...)
	if l.Mark == ktrap.MarkNone && l.Why != "" {
		notes = append(notes, "no probe: "+l.Why)
	}
	if len(notes) > 0 {
		dst = fmt.Appendf(dst, "  %s# %s%s", p.name, strings.Join(notes, "; "), p.reset)
	}
	return append(dst, '\n')
}

// spaced shows at most ten bytes; a longer instruction's last ones are left to
// --json.
func spaced(code []byte) string {
	const shown = 10
	if len(code) > shown {
		return pairs(code[:shown-1]) + " …"
	}
	return pairs(code)
}

// pairs is two digits a byte, with blanks between.
func pairs(code []byte) string {
	var b strings.Builder
	for i, c := range code {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%02x", c)
	}
	return b.String()
}

func sameLines(a, b []ktrap.SourceLine) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// source is a line of source, and where the functions were inlined that it is in.
func (p Palette) source(dst []byte, lines []ktrap.SourceLine) []byte {
	dst = append(dst, p.name...)
	for i, l := range lines {
		if i > 0 {
			dst = fmt.Appendf(dst, " (%s) in", lines[i-1].Func)
		}
		dst = fmt.Appendf(dst, " %s:%d", l.File, l.Line)
	}
	return append(append(dst, p.reset...), '\n')
}

func (p Palette) legend(dst []byte, lines []ktrap.Line) []byte {
	counts := map[ktrap.Mark]int{}
	for _, l := range lines {
		counts[l.Mark]++
	}
	var parts []string
	for _, m := range marks {
		if n := counts[m.mark]; n > 0 {
			parts = append(parts, fmt.Sprintf("%c %s %d", m.letter, m.legend, n))
		}
	}
	return fmt.Appendf(dst, "%sprobes: %s; > begins a block%s\n", p.name, strings.Join(parts, ", "), p.reset)
}

// AppendRaw appends d as objdump -d prints it, without marks.
func AppendRaw(dst []byte, d *ktrap.Disassembly) []byte {
	name := d.Symbol
	if len(d.Lines) > 0 && d.Lines[0].Offset > 0 {
		name += fmt.Sprintf("+%#x", d.Lines[0].Offset)
	}
	dst = fmt.Appendf(dst, "%016x <%s>:\n", uint64(d.Addr), name)
	for _, l := range d.Lines {
		dst = appendRawLine(dst, l)
	}
	return dst
}

// rawBytes is how many bytes objdump puts on a line; what is longer goes on in a
// line without text.
const rawBytes = 7

func appendRawLine(dst []byte, l ktrap.Line) []byte {
	text := l.Text
	if op, args, ok := strings.Cut(l.Text, " "); ok {
		text = fmt.Sprintf("%-6s %s", op, args)
	}
	head := l.Bytes[:min(len(l.Bytes), rawBytes)]
	dst = fmt.Appendf(dst, "%x:\t%-21s\t%s\n", uint64(l.Addr), pairs(head)+" ", text)
	if rest := l.Bytes[len(head):]; len(rest) > 0 {
		dst = fmt.Appendf(dst, "%x:\t%s \n", uint64(l.Addr)+rawBytes, pairs(rest))
	}
	return dst
}
