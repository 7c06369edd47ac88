package render

import (
	"encoding/json"
	"fmt"
	"strings"

	"ktrap"
)

// AppendCoverage appends a function's instructions, each block with how often it ran
// and how that is to its calls, each branch with how often it was taken.
//
//	vfs_read: 812 calls, 812 ended; 31 of 45 blocks ran, 44 of 80 edges were taken
//	     812   100%  +0x0     push %rbp
//	     812   100%  +0x1b    test %eax,%eax
//	                 +0x1d    jne +0x40                   # taken 3, else 809
//	       0         +0x1f    mov $0xfffffff2,%eax
func (p Palette) AppendCoverage(dst []byte, c *ktrap.Coverage) []byte {
	dst = p.coverageHead(dst, c)
	var above []ktrap.SourceLine
	for i, b := range c.Code.Blocks {
		if c.Padding(i) {
			continue
		}
		for n := b.Start; n < b.End; n++ {
			l := c.Code.Lines[n]
			if len(l.Source) > 0 && !sameLines(l.Source, above) {
				dst = p.source(dst, l.Source)
				above = l.Source
			}
			dst = p.covered(dst, c, i, n)
		}
	}
	return dst
}

func (p Palette) coverageHead(dst []byte, c *ktrap.Coverage) []byte {
	s := c.Sum()
	dst = fmt.Appendf(dst, "%s%s%s: ", p.place, c.Code.Place, p.reset)
	if !c.Once {
		dst = fmt.Appendf(dst, "%s calls, %s ended; ", times(c.Calls), times(c.Ended))
	}
	dst = fmt.Appendf(dst, "%d of %d blocks ran, %d of %d edges were taken", s.RanBlocks, s.Blocks, s.TakenEdges, s.Edges)
	if s.Unknown > 0 {
		dst = fmt.Appendf(dst, ", %d are not known", s.Unknown)
	}
	if c.Missed > 0 {
		dst = fmt.Appendf(dst, "; %s%d hits were missed%s", p.warning, c.Missed, p.reset)
	}
	if !c.MissesKnown {
		dst = append(dst, "; of some places it is not known what was missed"...)
	}
	dst = append(dst, '\n')
	switch {
	case s.Off == 0:
	case c.Explained():
		dst = fmt.Appendf(dst, "what enters a block and what leaves it differs by up to %d: calls under way at the beginning or the end, and missed hits, can make that\n", s.Off)
	default:
		dst = fmt.Appendf(dst, "%swhat enters a block and what leaves it differs by up to %d, which neither %d threads' calls under way nor missed hits can make: the function has ways that are not known%s\n", p.warning, s.Off, c.Threads, p.reset)
	}
	return dst
}

// nearer is an instruction with the places of its own function as offsets.
func nearer(l ktrap.Line, symbol string) string {
	offset, inside := strings.CutPrefix(l.Target, symbol)
	if !inside || !strings.HasPrefix(offset, "+") {
		return l.Text
	}
	before, _, _ := strings.Cut(l.Text, "0x")
	return before + offset
}

func times(n ktrap.Count) string {
	if !n.Known {
		return "?"
	}
	return fmt.Sprint(n.N)
}

// covered is line n, which is of block i.
func (p Palette) covered(dst []byte, c *ktrap.Coverage, i, n int) []byte {
	b, at := c.Blocks[i], c.Code.Blocks[i]
	count, part := "", ""
	if n == at.Start {
		count, part = times(b.Ran), ofCalls(b.Ran, c.Calls)
		if c.Once {
			count, part = whether(b.Ran), ""
		}
	}
	colour, reset := "", ""
	if b.Ran.Known && b.Ran.N == 0 {
		colour, reset = p.name, p.reset
	}
	l := c.Code.Lines[n]
	dst = fmt.Appendf(dst, "%s%10s %6s  %-8s %s", colour, count, part, fmt.Sprintf("+%#x", l.Offset), nearer(l, c.Code.Symbol))
	if n == at.End-1 && len(b.Edges) > 1 {
		dst = fmt.Appendf(dst, "  # %s", outs(c, i))
	}
	if n == at.Start && b.At == 0 {
		dst = fmt.Appendf(dst, "  # not counted: %s", b.Why)
	}
	if n == at.Start && b.Off != 0 {
		dst = fmt.Appendf(dst, "  # its edges are %+d off", b.Off)
	}
	return append(append(dst, reset...), '\n')
}

// ofCalls is a count in parts of the calls.
func ofCalls(n, calls ktrap.Count) string {
	switch {
	case !n.Known || !calls.Known || n.N == 0 || calls.N == 0:
		return ""
	case n.N > 10*calls.N:
		return fmt.Sprintf("×%.0f", float64(n.N)/float64(calls.N))
	}
	return fmt.Sprintf("%.3g%%", 100*float64(n.N)/float64(calls.N))
}

// whether it ran at all.
func whether(n ktrap.Count) string {
	switch {
	case !n.Known:
		return "?"
	case n.N > 0:
		return "ran"
	}
	return "never"
}

// outs are the ways out of block i.
func outs(c *ktrap.Coverage, i int) string {
	word := times
	if c.Once {
		word = whether
	}
	var parts []string
	for k, e := range c.Code.Blocks[i].Succ {
		way := e.Kind
		if way == "not-taken" {
			way = "else"
		}
		parts = append(parts, way+" "+word(c.Blocks[i].Edges[k]))
	}
	return strings.Join(parts, ", ")
}

// AppendCoverageJSON appends c as one JSON object, without a newline.
func AppendCoverageJSON(dst []byte, c *ktrap.Coverage) []byte {
	text, err := json.Marshal(c)
	if err != nil {
		panic("ktrap bug: " + err.Error()) // plain data always marshals
	}
	return append(dst, text...)
}
