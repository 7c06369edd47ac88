package html

import (
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strings"

	"ktrap"
)

//go:embed disassembly.css
var disassemblyStyle string

//go:embed disassembly.js
var disassemblyScript string

// WriteDisassembly writes d as a page: its control-flow graph beside its
// instructions, each with a mark that says how a probe there would work.
func WriteDisassembly(w io.Writer, d *ktrap.Disassembly) error {
	if len(d.Lines) == 0 {
		return fmt.Errorf("page of %s: it has no instructions", d.Place)
	}
	v := view(d, nil)
	return write(w, d.Place+" · "+d.Kernel, disassemblyStyle, disassemblyScript, v.body)
}

// marks are what stands in the margin, from the cheapest probe on.
var marks = []struct {
	mark         ktrap.Mark
	letter       string
	short, words string
}{
	{ktrap.MarkFtrace, "F", "ftrace", "a probe here is the kernel's own call at a function's entry: the cheapest"},
	{ktrap.MarkOptimised, "J", "jump", "a probe here becomes a jump in the place of the instruction"},
	{ktrap.MarkEmulated, "E", "int3, emulated", "a probe here is a breakpoint; the kernel computes what the instruction does"},
	{ktrap.MarkBoosted, "B", "int3, boosted", "a probe here is a breakpoint; a copy of the instruction runs and jumps back"},
	{ktrap.MarkInt3, "I", "int3, stepped", "a probe here is a breakpoint; a copy of the instruction is single-stepped: the dearest"},
	{ktrap.MarkNone, "–", "no probe", "no probe can stand here"},
	{ktrap.MarkUnknown, "?", "not known", "the facts for a verdict are missing"},
}

// disassembly is a ktrap.Disassembly as the page shows it.
type disassembly struct {
	*ktrap.Disassembly
	Count  int
	Legend []legend
	Shown  []block
	Graphs []drawn
	// Covered is what is tally, on the page of a coverage.
	Covered []*ktrap.Coverage
}

// legend is a mark and how many instructions have it.
type legend struct {
	Mark                 ktrap.Mark
	Letter, Short, Words string
	N                    int
	X, Width             float64 // of its part in the bar, in percent
}

type block struct {
	ID        int
	Name      string // where it begins
	Lines     []row
	Ends      string // in words, where no block follows
	Loops     int
	Unreached bool
	tally     // nothing, unless it is
}

// row is an instruction.
type row struct {
	ID                        int
	Mark                      ktrap.Mark
	Letter                    string
	Addr, Offset, Bytes, Long string
	Op, Args, Target, Address string
	Link                      int // the row that Target is; -1 outside
	Outer                     string
	Notes, Patches            []string
	Why, Source, Command      string
	NewSource                 string // where it differs from the row above
}

func view(d *ktrap.Disassembly, counts []tally) disassembly {
	v := disassembly{Disassembly: d, Count: len(d.Lines), Legend: legends(d.Lines)}
	blocks := d.Blocks
	if len(blocks) == 0 {
		blocks = []ktrap.Block{{End: len(d.Lines)}}
	}
	for i, b := range blocks {
		of, counted := d, tally{}
		if i < len(counts) {
			of, counted = counts[i].of, counts[i]
		}
		v.Shown = append(v.Shown, shown(of, blocks, i, b))
		v.Shown[i].tally = counted
	}
	v.Graphs = graphs(blocks, v.Shown)
	return v
}

func legends(lines []ktrap.Line) (all []legend) {
	counts := map[ktrap.Mark]int{}
	for _, l := range lines {
		counts[l.Mark]++
	}
	x := 0.0
	for _, m := range marks {
		if n := counts[m.mark]; n > 0 {
			width := 100 * float64(n) / float64(len(lines))
			all = append(all, legend{m.mark, m.letter, m.short, m.words, n, x, width})
			x += width
		}
	}
	return all
}

func shown(d *ktrap.Disassembly, blocks []ktrap.Block, id int, b ktrap.Block) block {
	s := block{ID: id, Unreached: b.Unreached, Ends: ends(b)}
	above := ""
	for i := b.Start; i < b.End && i < len(d.Lines); i++ {
		r := rowOf(d, i)
		if r.Source != above {
			r.NewSource, above = r.Source, r.Source
		}
		s.Lines = append(s.Lines, r)
	}
	if n := len(s.Lines); n > 0 {
		s.Name = s.Lines[0].Offset
		link(&s.Lines[n-1], blocks, b)
	}
	return s
}

// ends says where a block goes that no other block follows.
func ends(b ktrap.Block) string {
	if len(b.Succ) == 0 {
		return "ends here"
	}
	for _, e := range b.Succ {
		switch {
		case e.To >= 0:
		case e.Out != "":
			return e.Kind + " to " + e.Out
		case e.Kind == "indirect":
			return "goes where a register says"
		default:
			return e.Kind
		}
	}
	return ""
}

// link makes a jump's target the row that it leads to.
func link(r *row, blocks []ktrap.Block, b ktrap.Block) {
	for _, e := range b.Succ {
		if (e.Kind == "taken" || e.Kind == "jump") && e.To >= 0 && e.To < len(blocks) {
			r.Link = blocks[e.To].Start
		}
	}
}

// named is an address and its name, as a call or jump has it.
var named = regexp.MustCompile(`^(?:\*?)(0x[0-9a-f]+) <([^>]*)>$`)

func rowOf(d *ktrap.Disassembly, i int) row {
	l := d.Lines[i]
	r := row{
		ID: i, Mark: l.Mark, Letter: "?", Link: -1,
		Addr: fmt.Sprint(l.Addr), Offset: fmt.Sprintf("+%#x", l.Offset), Bytes: spaced(l.Bytes, 8), Long: spaced(l.Bytes, len(l.Bytes)),
		Patches: l.Patches, Why: l.Why, Source: source(l.Source),
	}
	for _, m := range marks {
		if m.mark == l.Mark {
			r.Letter = m.letter
		}
	}
	r.Op, r.Args, _ = strings.Cut(l.Text, " ")
	r.Args = strings.TrimLeft(r.Args, " ")
	if found := named.FindStringSubmatch(r.Args); found != nil {
		r.Args, r.Address, r.Target = "", found[1], found[2]
		r.Target = strings.TrimPrefix(r.Target, within(d, r.Target))
	}
	if l.Mark != ktrap.MarkNone && d.Symbol != "" {
		r.Command = "ktrap trace '" + probed(d, l) + "'"
	}
	return r
}

// within is the name of the function shown, where a target is in it: "+0x10" is
// enough there.
func within(d *ktrap.Disassembly, target string) string {
	if d.Symbol != "" && strings.HasPrefix(target, d.Symbol+"+0x") {
		return d.Symbol
	}
	return ""
}

// probed is the place of an instruction, as a command line takes it.
func probed(d *ktrap.Disassembly, l ktrap.Line) string {
	place := d.Symbol
	if d.Module != "" {
		place = d.Module + ":" + place
	}
	if l.Offset != 0 {
		place += fmt.Sprintf("+%#x", l.Offset)
	}
	return place
}

func spaced(code []byte, atMost int) string {
	pairs := make([]string, min(len(code), atMost))
	for i := range pairs {
		pairs[i] = hex.EncodeToString(code[i : i+1])
	}
	if len(code) > atMost {
		pairs[atMost-1] = "…"
	}
	return strings.Join(pairs, " ")
}

// source is a line of source and where it was inlined, innermost first.
func source(lines []ktrap.SourceLine) string {
	var parts []string
	for _, l := range lines {
		part := fmt.Sprintf("%s:%d", l.File, l.Line)
		if l.Func != "" && len(lines) > 1 {
			part = l.Func + " " + part
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ← ")
}

// word is n and a noun.
func word(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
