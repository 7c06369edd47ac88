package html

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ktrap"
)

// drawn is a control-flow graph as the page shows it.
type drawn struct {
	Name          string // "overview" or "code"
	Width, Height string
	Lines         []segment
	Boxes         []drawnBox
}

// segment is a piece of an arrow, as SVG has it.
type segment struct {
	D, Class string
	From, To int
	Tip      bool
}

type drawnBox struct {
	*block
	X, Y, Width, Height string
	Depth               int
	Cells               []cell
	Texts               []text
	Label               string // what it is, for who can't see it
}

// cell is an instruction as a coloured square.
type cell struct {
	X, Y, Class string
	ID          int
}

type text struct{ X, Y, Class, Text string }

const (
	codeAtMost = 1500 // instructions of a function whose code is drawn in its graph
	cellSize   = 9.0
	cellRow    = 16 // squares in a row
	callsShown = 3
	codeLines  = 16 // of a box
	codeWidth  = 44 // letters
	letter     = 6.65
	lineHeight = 15.0
)

// graphs draws an overview, and for functions of a size that can be read so, the
// code in its blocks.
func graphs(blocks []ktrap.Block, shown []block) []drawn {
	g := graph{boxes: make([]box, len(blocks))}
	var kinds []string
	for i, b := range blocks {
		for k, e := range b.Succ {
			if e.To < 0 || e.To >= len(blocks) {
				continue
			}
			g.edges = append(g.edges, edge{i, e.To})
			kind := e.Kind
			if classes := shown[i].Edges; k < len(classes) {
				kind += " " + classes[k]
			}
			kinds = append(kinds, kind)
		}
	}
	all := []drawn{draw("overview", g, kinds, shown, overview)}
	instructions := 0
	for _, s := range shown {
		instructions += len(s.Lines)
	}
	if instructions <= codeAtMost {
		all = append(all, draw("code", g, kinds, shown, code))
	}
	return all
}

// draw lays a graph out with the boxes that fill makes, whose parts are placed
// within the box.
func draw(name string, g graph, kinds []string, shown []block, fill func(*block) drawnBox) drawn {
	boxes := make([]drawnBox, len(shown))
	for i := range shown {
		boxes[i] = fill(&shown[i])
		fmt.Sscan(boxes[i].Width, &g.boxes[i].width)
		fmt.Sscan(boxes[i].Height, &g.boxes[i].height)
	}
	l := lay(g)
	out := drawn{Name: name, Width: number1(l.width), Height: number1(l.height)}
	for i := range boxes {
		b := &boxes[i]
		b.X, b.Y, b.Depth = number1(l.boxes[i].x), number1(l.boxes[i].y), min(l.depth[i], 3)
		shown[i].Loops = l.depth[i]
		b.Label = label(b.block)
	}
	out.Boxes = boxes
	out.Lines = segments(l.lines, kinds)
	return out
}

// segments makes an SVG path of each edge, and one of all pieces of a street: its
// tip is at the end of the last.
func segments(lines []line, kinds []string) (all []segment) {
	for i := 0; i < len(lines); {
		p := lines[i].segment(kinds)
		street := lines[i].street()
		tip := ""
		for i++; lines[i-1].edge < 0 && i < len(lines) && lines[i].street() == street; i++ {
			next := lines[i].segment(kinds)
			p.D += next.D
			if next.Tip {
				p.Tip, tip = true, next.D
			}
		}
		p.D += tip
		all = append(all, p)
	}
	return all
}

func label(b *block) string {
	s := fmt.Sprintf("block at %s, %s", b.Name, word(len(b.Lines), "instruction"))
	if b.Ran != "" {
		s += ", " + b.Ran
	}
	if b.Loops > 0 {
		s += fmt.Sprintf(", in %s", word(b.Loops, "loop"))
	}
	if b.Unreached {
		s += ", no way leads here"
	}
	return s
}

// overview draws a block as squares in the colours of its marks, and whom it
// calls.
func overview(b *block) drawnBox {
	box := drawnBox{block: b}
	calls := callsOf(b)
	columns := min(len(b.Lines), cellRow)
	width := max(float64(columns)*(cellSize+2)+18, 84)
	box.Texts = append(box.Texts, text{"10", "16", "at", b.Name})
	y := 24.0
	if b.Ran != "" {
		box.Texts = append(box.Texts, text{"10", "30", "ran", b.Ran})
		y += lineHeight - 1
		width = max(width, float64(utf8.RuneCountInString(b.Ran))*letter+20)
	}
	for i, r := range b.Lines {
		x := 10 + float64(i%cellRow)*(cellSize+2)
		box.Cells = append(box.Cells, cell{number1(x), number1(y + float64(i/cellRow)*(cellSize+2)), string(r.Mark), r.ID})
	}
	y += float64((len(b.Lines)+cellRow-1)/cellRow)*(cellSize+2) + 3
	for _, c := range calls {
		y += lineHeight - 2
		c = cut(c, 26)
		box.Texts = append(box.Texts, text{"10", number1(y - 2), "call", c})
		width = max(width, float64(utf8.RuneCountInString(c))*letter+20)
	}
	box.Width, box.Height = number1(width), number1(y+5)
	return box
}

// callsOf names what a block calls, and where it leaves the function.
func callsOf(b *block) (calls []string) {
	more := 0
	for _, r := range b.Lines {
		if r.Target == "" || r.Link >= 0 || strings.HasPrefix(r.Target, "+0x") || r.Target == "__fentry__" {
			continue
		}
		if len(calls) == callsShown {
			more++
			continue
		}
		calls = append(calls, "→ "+r.Target)
	}
	if more > 0 {
		calls = append(calls, fmt.Sprintf("→ %d more", more))
	}
	return calls
}

// code draws a block as its instructions.
func code(b *block) drawnBox {
	box := drawnBox{block: b, Texts: []text{{"12", "16", "at", b.Name}}}
	width, y := 96.0, 22.0
	if b.Ran != "" {
		box.Texts = append(box.Texts, text{"12", "31", "ran", b.Ran})
		y += lineHeight
	}
	for i, r := range b.Lines {
		if i == codeLines-1 && len(b.Lines) > codeLines {
			y += lineHeight
			box.Texts = append(box.Texts, text{"24", number1(y - 3), "more", fmt.Sprintf("… %d more", len(b.Lines)-i)})
			break
		}
		y += lineHeight
		line := cut(strings.TrimSpace(r.Op+" "+r.Args+r.Target), codeWidth)
		box.Cells = append(box.Cells, cell{"10", number1(y - 11.5), string(r.Mark), r.ID})
		box.Texts = append(box.Texts, text{"24", number1(y - 3), "ins", line})
		width = max(width, float64(utf8.RuneCountInString(line))*letter+36)
	}
	box.Width, box.Height = number1(width), number1(y+7)
	return box
}

func cut(s string, atMost int) string {
	if utf8.RuneCountInString(s) <= atMost {
		return s
	}
	return string([]rune(s)[:atMost-1]) + "…"
}

// street is what the pieces of a shared line have in common.
func (l line) street() [3]int {
	if l.back {
		return [3]int{l.from, l.to, 1}
	}
	return [3]int{l.from, l.to, 0}
}

// segment bends a piece so that it leaves and arrives upright.
func (l line) segment(kinds []string) segment {
	p := segment{From: l.from, To: l.to, Tip: l.tip, Class: "shared"}
	if l.edge >= 0 {
		p.Class = kinds[l.edge]
	}
	if l.back {
		p.Class += " back"
	}
	const bend = layerGap * 0.42
	first, second := l.a.y+(l.b.y-l.a.y)*0.5, l.a.y+(l.b.y-l.a.y)*0.5
	if l.turn != 0 {
		first, second = l.a.y+bend*float64(l.turn), l.b.y+bend*float64(l.turn)
	}
	p.D = fmt.Sprintf("M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f", l.a.x, l.a.y, l.a.x, first, l.b.x, second, l.b.x, l.b.y)
	return p
}

func number1(f float64) string { return fmt.Sprintf("%.1f", f) }
