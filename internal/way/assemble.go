package way

import "fmt"

// Assemble makes a call of its steps, the first of which is its entry and the last its
// return. Steps that were not kept are a gap in each call that they are of.
func Assemble(graphs []Graph, steps []Step) (*Call, error) {
	a := assembler{graphs: graphs}
	for i, s := range steps {
		why := ""
		if s.Kind == Gap {
			why = a.skip(returning(steps[i+1:]))
		} else {
			why = a.step(s)
		}
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

// returning are the functions, outermost first, whose calls return in some steps and
// did not begin in them.
func returning(steps []Step) (functions []int) {
	inside := 0
	for i := len(steps) - 1; i >= 0; i-- {
		switch s := steps[i]; s.Kind {
		case Leave:
			functions = append(functions, s.Func)
			inside++
		case Enter:
			if inside--; inside < 0 {
				return nil
			}
			functions = functions[:inside]
		}
	}
	return functions
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

// skip is a gap: the outermost call goes on behind it, those within it end in it, and
// others are there that began in it.
func (a *assembler) skip(behind []int) string {
	if a.root == nil || len(behind) == 0 || behind[0] != a.root.Func {
		return "a gap that is in no call"
	}
	at := a.root.Visits[len(a.root.Visits)-1].At
	for _, c := range a.open {
		c.Cut = true
	}
	a.open = a.open[:1]
	a.root.Visits = append(a.root.Visits, Visit{Block: Nowhere, At: at, Gap: true})
	for _, fn := range behind[1:] {
		if fn < 0 || fn >= len(a.graphs) {
			return "of no function that is followed"
		}
		c := &Call{Func: fn, Began: at, Cut: true, Visits: []Visit{{Block: Nowhere, At: at, Gap: true}}}
		top := a.open[len(a.open)-1]
		top.Visits[len(top.Visits)-1].Inner = []*Call{c}
		a.open = append(a.open, c)
	}
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
