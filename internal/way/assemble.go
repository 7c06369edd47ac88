package way

import "fmt"

// Assemble makes a call of its steps, the first of which is its entry and the last its
// return. Of steps that were not kept, those on either side are the outermost call's,
// as far as that can be known.
func Assemble(graphs []Graph, steps []Step) (*Call, error) {
	a := assembler{graphs: graphs}
	steps = rejoin(steps)
	for i, s := range steps {
		why := a.step(s)
		if why == "" && a.whole && i != len(steps)-1 {
			why = "it goes on behind its end"
		}
		if why != "" {
			return nil, &Broken{i, why}
		}
	}
	if !a.whole {
		return nil, &Broken{len(steps), "its end is missing"}
	}
	return a.root, nil
}

// rejoin drops what, behind a gap, is of calls that began in it.
func rejoin(steps []Step) []Step {
	for gap, s := range steps {
		if s.Kind != Gap {
			continue
		}
		behind, returns := gap+1, []int{}
		for i := len(steps) - 1; i > gap; i-- {
			switch steps[i].Kind {
			case Leave:
				returns = append(returns, i)
			case Enter:
				if len(returns) > 0 {
					returns = returns[:len(returns)-1]
				}
			}
		}
		if len(returns) > 1 {
			behind = returns[1] + 1
		}
		return append(steps[:gap+1:gap+1], steps[behind:]...)
	}
	return steps
}

// An assembler holds the calls that have begun, innermost last.
type assembler struct {
	graphs []Graph
	root   *Call
	open   []*Call
	whole  bool
}

// step takes one; it tells why it can't.
func (a *assembler) step(s Step) string {
	switch {
	case s.Kind == Gap:
		return a.skip()
	case s.Func < 0 || s.Func >= len(a.graphs):
		return "of no function that is followed"
	case s.Block < 0 || s.Block >= len(a.graphs[s.Func].Blocks):
		return "no such block"
	case s.Kind == Enter:
		return a.enter(s)
	case len(a.open) == 0:
		return "before the entry"
	case a.open[len(a.open)-1].Func != s.Func:
		return fmt.Sprintf("of %s, in %s", a.graphs[s.Func].Name, a.graphs[a.open[len(a.open)-1].Func].Name)
	case s.Kind == Pass:
		top := a.open[len(a.open)-1]
		return a.graphs[s.Func].extend(top, Visit{Block: s.Block, At: s.At, Word: s.Word})
	}
	return a.leave(s)
}

func (a *assembler) enter(s Step) string {
	c := &Call{Func: s.Func, Began: s.At, Visits: []Visit{{At: s.At}}}
	switch {
	case len(a.open) > 0:
		top := a.open[len(a.open)-1]
		last := &top.Visits[len(top.Visits)-1]
		last.Inner = append(last.Inner, c)
	case a.root != nil:
		return "a second call"
	default:
		a.root = c
	}
	a.open = append(a.open, c)
	return ""
}

func (a *assembler) leave(s Step) string {
	c := a.open[len(a.open)-1]
	last := c.Visits[len(c.Visits)-1]
	if !last.Gap && !a.graphs[c.Func].ends(last.Block) {
		return fmt.Sprintf("%s returned from block %d, which is not its last", a.graphs[c.Func].Name, last.Block)
	}
	c.Took, c.Result = s.At-c.Began, s.Word
	c.clock(s.At)
	a.open = a.open[:len(a.open)-1]
	a.whole = len(a.open) == 0
	return ""
}

// skip is a gap: the calls within the outermost end in it.
func (a *assembler) skip() string {
	if a.root == nil {
		return "a gap before the entry"
	}
	for _, c := range a.open {
		c.Cut = true
	}
	a.open = a.open[:1]
	last := a.root.Visits[len(a.root.Visits)-1]
	a.root.Visits = append(a.root.Visits, Visit{Block: Nowhere, At: last.At, Gap: true})
	return ""
}

// Nowhere is the block of a Visit that stands for steps that were not kept.
const Nowhere = -1

// clock gives each visit the time until the next.
func (c *Call) clock(end uint64) {
	for i := len(c.Visits) - 1; i >= 0; i-- {
		v := &c.Visits[i]
		v.Took = end - min(v.At, end)
		end = v.At
	}
}
