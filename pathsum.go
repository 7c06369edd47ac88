package ktrap

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"ktrap/internal/way"
)

// PathSummary is what a Path saw, added up.
type PathSummary struct {
	Func string `json:"func"`
	// Ways are the commonest, the commonest first; what differs only in how often a
	// loop ran is one. Left are how many other ways there were, and Rest their calls.
	Ways []*CommonWay `json:"ways"`
	Left int          `json:"left,omitempty"`
	Rest uint64       `json:"rest,omitempty"`
	// Parted is, of a Diff, where the wanted calls and the others went different ways,
	// what differs most first.
	Parted []*Parting `json:"parted,omitempty"`
	Counts PathCounts `json:"counts"`
}

// CommonWay is a way that calls took.
type CommonWay struct {
	Count   uint64        `json:"count"`
	Took    time.Duration `json:"took_ns"` // of all of them
	Wanted  bool          `json:"wanted"`
	Result  Address       `json:"result"` // of the first one
	Error   int64         `json:"error,omitempty"`
	Errno   string        `json:"errno,omitempty"`
	Loops   []Loop        `json:"way"`
	Decided *Decision     `json:"decided,omitempty"`
}

// Loop is a part of a way; if it ran Several times in a row, a loop.
type Loop struct {
	Offsets []uint64 `json:"offsets"`
	Several bool     `json:"several,omitempty"`
}

// NotKept is in an offset's place where steps were not kept.
const NotKept = 1<<64 - 1

// Parting is an edge that was taken by calls of one kind more than by the others.
type Parting struct {
	From, To uint64 // offsets: of the branch, and of where it led
	Text     string // the branch
	// Wanted of WantedOf calls that ran the block took the edge, and Others of OthersOf.
	Wanted, WantedOf, Others, OthersOf int
	Source                             *SourceLine `json:",omitempty"`
}

// mostWays bounds the ways that are told apart.
const mostWays = 4096

// commonWays are the ways so far.
type commonWays struct {
	all  map[string]*CommonWay
	rest uint64
}

// sum adds a call. Others than those that were asked for are only a sample, if no
// comparison is.
func (w *Paths) sum(c *PathCall) {
	if !c.Wanted && !w.asked.Diff {
		return
	}
	runs := way.Fold(c.call.Blocks())
	key := fmt.Sprint(c.Wanted, c.Error)
	for _, r := range runs {
		key += fmt.Sprint(r.Blocks, r.Times > 1)
	}
	common := w.ways.all[key]
	if common == nil {
		if len(w.ways.all) == mostWays {
			w.ways.rest++
			return
		}
		common = &CommonWay{Wanted: c.Wanted, Result: c.Result, Error: c.Error, Errno: c.Errno}
		for _, r := range runs {
			common.Loops = append(common.Loops, w.loop(r))
		}
		w.ways.all[key] = common
	}
	common.Count++
	common.Took += c.Took
	if c.Decided != nil {
		common.Decided = c.Decided // the last knows most others
	}
}

func (w *Paths) loop(r way.Run) Loop {
	l := Loop{Several: r.Times > 1}
	code := w.followed[0].code
	for _, b := range r.Blocks {
		offset := uint64(NotKept)
		if b >= 0 {
			offset = code.Lines[code.Blocks[b].Start].Offset
		}
		l.Offsets = append(l.Offsets, offset)
	}
	return l
}

// Summary adds up what was seen: the commonest ways, at most top of them if that is
// above 0.
func (w *Paths) Summary(top int) (*PathSummary, error) {
	counts, err := w.Counts()
	out := &PathSummary{Func: w.followed[0].code.Symbol, Counts: counts, Rest: w.ways.rest}
	for _, common := range w.ways.all {
		out.Ways = append(out.Ways, common)
	}
	slices.SortFunc(out.Ways, func(a, b *CommonWay) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), slices.CompareFunc(a.Loops, b.Loops, func(a, b Loop) int { return slices.Compare(a.Offsets, b.Offsets) }))
	})
	if top > 0 && len(out.Ways) > top {
		for _, rest := range out.Ways[top:] {
			out.Left++
			out.Rest += rest.Count
		}
		out.Ways = out.Ways[:top]
	}
	if w.asked.Diff {
		out.Parted = w.parted()
	}
	return out, err
}

// parted are the edges of the function that the two kinds of calls took unequally.
func (w *Paths) parted() (all []*Parting) {
	f, wanted, others := w.followed[0], &w.wanted, &w.profiles[0]
	for i, b := range f.code.Blocks {
		p := Parting{Text: f.tests[i].text, WantedOf: wanted.Runs(i), OthersOf: others.Runs(i)}
		if p.Text == "" || p.WantedOf == 0 && p.OthersOf == 0 {
			continue
		}
		jump := f.code.Lines[b.End-1]
		p.From, p.Source = jump.Offset, madeOf(jump)
		for _, e := range b.Succ {
			if e.To < 0 {
				continue
			}
			edge := p
			edge.To = f.code.Lines[f.code.Blocks[e.To].Start].Offset
			edge.Wanted, edge.Others = wanted.Edges(i, e.To), others.Edges(i, e.To)
			if edge.Difference() > 0 {
				all = append(all, &edge)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Parting) int {
		return cmp.Or(cmp.Compare(b.Difference(), a.Difference()), cmp.Compare(a.From, b.From))
	})
	return all
}

// Difference is by which part of those that came by more of the wanted calls took the
// edge: from -1 to 1. Where only one kind came by there is none.
func (p *Parting) Difference() float64 {
	if p.WantedOf == 0 || p.OthersOf == 0 {
		return 0
	}
	return float64(p.Wanted)/float64(p.WantedOf) - float64(p.Others)/float64(p.OthersOf)
}
