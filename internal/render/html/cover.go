package html

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"ktrap"
)

//go:embed cover.css
var coverStyle string

// WriteCoverage writes functions as a page: their blocks, each in the colour of how
// often it ran, and at its end how often it was left in which way.
func WriteCoverage(w io.Writer, all []*ktrap.Coverage) error {
	joined, counts := join(all)
	if len(joined.Lines) == 0 {
		return errors.New("page of a coverage: there are no instructions")
	}
	v := view(joined, counts)
	v.Covered = all
	return write(w, "coverage of "+joined.Symbol+" · "+joined.Kernel, disassemblyStyle+coverStyle, disassemblyScript, v.body)
}

// tally is what a page tells of a block that was tally.
type tally struct {
	of    *ktrap.Disassembly // the listing under the name of the block's function
	Head  string             // of the function that begins here
	Heat  string             // a class: never, unknown, or ran and how often
	Ran   string
	Ways  []string
	Notes string
	Edges []string // classes
}

// join makes one listing of all functions.
func join(all []*ktrap.Coverage) (*ktrap.Disassembly, []tally) {
	out, counts := new(ktrap.Disassembly), []tally(nil)
	var names []string
	for i, c := range all {
		if i == 0 {
			*out = *c.Code
			out.Lines, out.Blocks, out.Size, out.Module = nil, nil, 0, ""
		}
		lines, blocks := len(out.Lines), len(out.Blocks)
		of := &ktrap.Disassembly{Symbol: c.Code.Symbol, Module: c.Code.Module}
		for k, b := range c.Code.Blocks {
			b.Start, b.End = b.Start+lines, b.End+lines
			b.Succ = append([]ktrap.Edge(nil), b.Succ...)
			for e := range b.Succ {
				if b.Succ[e].To >= 0 {
					b.Succ[e].To += blocks
				}
			}
			out.Blocks = append(out.Blocks, b)
			counts = append(counts, count(c, k))
			counts[len(counts)-1].of = of
		}
		out.Lines = append(out.Lines, c.Code.Lines...)
		out.Size += c.Code.Size
		names = append(names, c.Code.Symbol)
	}
	for i := range counts {
		counts[i].of.Lines = out.Lines
	}
	out.Symbol = strings.Join(names, ", ")
	return out, counts
}

// count is what block k of a function shows.
func count(c *ktrap.Coverage, k int) tally {
	b, code := c.Blocks[k], c.Code.Blocks[k]
	shown := tally{Heat: heat(b.Ran, c.Calls), Ran: times(b.Ran, c), Notes: b.Why}
	if k == 0 {
		shown.Head = c.Code.Symbol
	}
	if b.Off != 0 {
		shown.Notes = strings.TrimPrefix(fmt.Sprintf("%s; off by %+d: what comes in or goes out and what ran differ", shown.Notes, b.Off), "; ")
	}
	for i, e := range code.Succ {
		if i >= len(b.Edges) {
			break
		}
		shown.Edges = append(shown.Edges, heat(b.Edges[i], c.Calls))
		if len(code.Succ) > 1 {
			shown.Ways = append(shown.Ways, way(c.Code, e)+": "+times(b.Edges[i], c))
		}
	}
	return shown
}

// way is an edge in words.
func way(d *ktrap.Disassembly, e ktrap.Edge) string {
	switch {
	case e.To >= 0 && e.To < len(d.Blocks):
		return fmt.Sprintf("%s → +%#x", e.Kind, d.Lines[d.Blocks[e.To].Start].Offset)
	case e.Out != "":
		return e.Kind + " → " + e.Out
	}
	return e.Kind
}

// heats are the colours of what ran: by powers of ten below and above the calls.
const heats = 5

// heat is a class for how often something ran.
func heat(n, calls ktrap.Count) string {
	switch {
	case !n.Known:
		return "unknown"
	case n.N == 0:
		return "never"
	}
	of := math.Log10(float64(n.N) / float64(max(calls.N, 1)))
	return fmt.Sprintf("ran ran%d", min(max(int(math.Ceil(of))+3, 1), heats))
}

// times is how often, and how often a call.
func times(n ktrap.Count, c *ktrap.Coverage) string {
	switch calls := c.Calls; {
	case !n.Known:
		return "not known"
	case n.N == 0:
		return "never"
	case c.Once:
		return "ran"
	case !calls.Known || calls.N == 0:
		return grouped(n.N) + "×"
	}
	return fmt.Sprintf("%s× · %s", grouped(n.N), percent(n.N, c.Calls.N))
}

func percent(n, of uint64) string {
	switch share := 100 * float64(n) / float64(of); {
	case share < 0.1:
		return "<0.1%"
	case share < 10:
		return fmt.Sprintf("%.1f%%", share)
	default:
		return fmt.Sprintf("%.0f%%", share)
	}
}

// grouped is a number with its thousands apart.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// coverage is the head of the page: a line and a bar a function, and what the colours
// mean.
func (d *disassembly) coverage(m *markup) {
	m.WriteString("<section class=\"probes\" aria-label=\"Coverage\">\n<table class=\"sums\">")
	first := 0
	for _, c := range d.Covered {
		s := c.Sum()
		m.put(`<tr><th><a href="#b%">%</a></th><td>% of % blocks</td><td>% of % edges</td><td>%</td><td>`,
			first, c.Code.Symbol, s.RanBlocks, s.Blocks, s.TakenEdges, s.Edges, calls(c))
		share := 100 * float64(s.RanBlocks) / float64(max(s.Blocks, 1))
		m.put(`<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="4"/><rect class="some" width="%" height="4"/></svg></td><td class="soft">%</td></tr>`,
			number1(share), doubts(c, s))
		m.WriteString("\n")
		first += len(c.Code.Blocks)
	}
	m.WriteString("</table>\n<p class=\"heats\" aria-hidden=\"true\"><span class=\"never\">never</span><span class=\"ran1\">less than 1% of calls</span><span class=\"ran2\">1–10%</span><span class=\"ran3\">10–100%</span><span class=\"ran4\">1–10 a call</span><span class=\"ran5\">more</span><span class=\"unknown\">not known</span></p>\n</section>\n")
}

func calls(c *ktrap.Coverage) string {
	switch {
	case c.Once:
		return "only whether they ran"
	case !c.Calls.Known:
		return "calls not known"
	case !c.Ended.Known || c.Ended == c.Calls:
		return grouped(c.Calls.N) + " calls"
	}
	return fmt.Sprintf("%s calls, %s ended", grouped(c.Calls.N), grouped(c.Ended.N))
}

// doubts tells what is not known for sure.
func doubts(c *ktrap.Coverage, s ktrap.Sum) string {
	var all []string
	if s.Unknown > 0 {
		all = append(all, fmt.Sprintf("%d counts not known", s.Unknown))
	}
	if c.Missed > 0 {
		all = append(all, grouped(c.Missed)+" hits missed")
	}
	if !c.MissesKnown {
		all = append(all, "this kernel does not count what it missed")
	}
	if s.Off > 0 {
		all = append(all, fmt.Sprintf("off by up to %d", s.Off))
	}
	if !c.Explained() {
		all = append(all, "more than calls under way and missed hits can make: there are ways that are not known")
	}
	return strings.Join(all, "; ")
}
