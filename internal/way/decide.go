package way

// Decision is the branch that decided how a call went.
type Decision struct {
	Visit int // the block that it ends, an index of Call.Visits
	Next  int // the visit behind it; the same one if there is no branch to go by, or it was not kept
	// Returned says that it goes by what a call had returned, in the visit From; Inner
	// is that call, if it was followed.
	Returned bool
	From     int
	Inner    *Call
	// Apart says that no other call that was seen went this way.
	Apart bool
}

// A Profile is the ways of calls to compare with.
type Profile struct {
	Calls int
	edges map[[2]int]int // by block and next block
	runs  map[int]int    // by block: in how many calls
}

// Add takes a call in.
func (p *Profile) Add(c *Call) {
	if p.edges == nil {
		p.edges, p.runs = map[[2]int]int{}, map[int]int{}
	}
	p.Calls++
	edges, runs := map[[2]int]bool{}, map[int]bool{}
	for i, v := range c.Visits {
		if runs[v.Block] = true; i > 0 {
			edges[[2]int{c.Visits[i-1].Block, v.Block}] = true
		}
	}
	for e := range edges {
		p.edges[e]++
	}
	for b := range runs {
		p.runs[b]++
	}
}

// Runs is how many of the calls ran a block.
func (p *Profile) Runs(block int) int { return p.runs[block] }

// Edges is how many of the calls went from one block to another.
func (p *Profile) Edges(from, to int) int { return p.edges[[2]int{from, to}] }

// Apart reports whether a call, from visit i on, goes where none of the others went
// that came by there.
func (p *Profile) Apart(c *Call, i int) bool {
	if p == nil || i+1 >= len(c.Visits) {
		return false
	}
	from, to := c.Visits[i].Block, c.Visits[i+1].Block
	return from >= 0 && to >= 0 && p.runs[from] > 0 && p.edges[[2]int{from, to}] == 0
}

// ErrorNumber is the error that a function returned, below zero, as a number or as a
// pointer; 0 for none.
func ErrorNumber(result uint64) int64 {
	const most = 4095 // MAX_ERRNO
	if n := int64(result); n < 0 && n >= -most {
		return n
	}
	if n := int64(int32(result)); result>>32 == 0 && n < 0 && n >= -most {
		return n
	}
	return 0
}

// Decide finds the branch of c after which its result was certain: with an error, one
// behind a call that failed in the same way; else the last
// one before a block that makes the error's number, of which the other side leads by
// that block; else the first at which it left the ways of others. A branch of which
// both sides are ways of others decides nothing, as far as is known. ok is false if
// none is found.
func (g *Graph) Decide(c *Call, others *Profile) (d Decision, ok bool) {
	e := ErrorNumber(c.Result)
	if e != 0 {
		if d, ok = g.returned(c, e, others); !ok {
			d, ok = g.made(c, e, others)
		}
	}
	if !ok {
		d, ok = g.left(c, others)
	}
	if !ok && e != 0 {
		d, ok = g.last(c)
	}
	if ok {
		d.Apart = others.Apart(c, d.Visit)
	}
	return d, ok
}

// known reports whether others are known to have gone both ways there.
func known(c *Call, i int, others *Profile) bool {
	b := c.Visits[i].Block
	return others != nil && b >= 0 && others.runs[b] > 0 && c.Visits[i+1].Block >= 0 && !others.Apart(c, i)
}

// returned is the branch on what a call returned that failed with e, the last such
// call, or the first of those that handed it on: the first branch behind it at which c
// left the others; if it left them nowhere, the first.
func (g *Graph) returned(c *Call, e int64, others *Profile) (d Decision, ok bool) {
	for i := len(c.Visits) - 1; i >= 0; i-- {
		if _, failed := g.failed(c, i, e); !failed {
			continue
		}
		i = g.handedOn(c, i, e)
		inner, _ := g.failed(c, i, e)
		at := g.branch(c, i)
		for later := i; later < len(c.Visits)-1; later++ {
			if others.Apart(c, later) {
				at = later
				break
			}
		}
		if c.Visits[i].Block >= 0 && at >= 0 && !c.Visits[at+1].Gap {
			return Decision{Visit: at, Next: at + 1, Returned: true, From: i, Inner: inner}, true
		}
		if inner != nil {
			return Decision{Visit: i, Next: i, Returned: true, From: i, Inner: inner}, true
		}
	}
	return d, false
}

// failed reports whether a call of visit i is known to have returned e; inner is that
// call, if it was followed.
func (g *Graph) failed(c *Call, i int, e int64) (inner *Call, ok bool) {
	v := c.Visits[i]
	for _, in := range v.Inner {
		if ErrorNumber(in.Result) == e {
			inner = in
		}
	}
	return inner, inner != nil || v.Block >= 0 && g.tests(c, i, e)
}

// handedOn is the first of the calls up to that of visit i of which each failed with e
// and nothing else was called in between: what one had returned, the next was given
// (path_openat of 7.3 gives link_path_walk what step_into returned).
func (g *Graph) handedOn(c *Call, i int, e int64) int {
	for j := i - 1; j >= 0 && c.Visits[j].Block >= 0; j-- {
		if _, failed := g.failed(c, j, e); failed {
			i = j
		} else if g.Blocks[c.Visits[j].Block].Calls {
			break
		}
	}
	return i
}

// tests reports whether the branch behind visit i goes by a result, which was e.
func (g *Graph) tests(c *Call, i int, e int64) bool {
	b := &g.Blocks[c.Visits[i].Block]
	return b.Tests && b.Width > 0 && i+1 < len(c.Visits) && !c.Visits[i+1].Unseen && narrow(c.Visits[i+1].Word, b.Width) == e
}

// narrow is the low bytes of a word, with their sign.
func narrow(word uint64, width int) int64 {
	shift := 64 - 8*min(width, 8)
	return int64(word<<shift) >> shift
}

// branch is the first branch of two ways from visit i on; -1 for none.
func (g *Graph) branch(c *Call, i int) int {
	for ; i < len(c.Visits)-1; i++ {
		if b := c.Visits[i].Block; b >= 0 && g.Blocks[b].Branch {
			return i
		}
	}
	return -1
}

// made is the branch that led to where e is made. Where that is before the branch, and
// others came by there, it is where they parted.
func (g *Graph) made(c *Call, e int64, others *Profile) (d Decision, ok bool) {
	for j := len(c.Visits) - 1; j >= 0; j-- {
		b := c.Visits[j].Block
		if b < 0 || !makes(&g.Blocks[b], e) {
			continue
		}
		if others != nil && others.runs[b] > 0 {
			for i := j; i < len(c.Visits)-1; i++ {
				if others.Apart(c, i) {
					return Decision{Visit: i, Next: i + 1}, true
				}
			}
			continue
		}
		if g.Blocks[b].Branch && j < len(c.Visits)-1 && !c.Visits[j+1].Gap {
			return Decision{Visit: j, Next: j + 1}, true
		}
		for i := j - 1; i >= 0; i-- {
			from := c.Visits[i].Block
			if from >= 0 && g.Blocks[from].Branch && !c.Visits[i+1].Gap && g.avoids(from, b) && !known(c, i, others) {
				return Decision{Visit: i, Next: i + 1}, true
			}
		}
	}
	return d, false
}

func makes(b *Block, e int64) bool {
	for _, n := range b.Makes {
		if n == e {
			return true
		}
	}
	return false
}

// avoids reports whether a way leads from a block to an end that does not come by
// another.
func (g *Graph) avoids(from, other int) bool {
	reached := map[int]bool{other: true}
	way := append([]int(nil), g.Blocks[from].Succ...)
	for len(way) > 0 {
		b := way[len(way)-1]
		if way = way[:len(way)-1]; reached[b] {
			continue
		}
		if reached[b] = true; g.Blocks[b].Ends {
			return true
		}
		way = append(way, g.Blocks[b].Succ...)
	}
	return false
}

// left is the first branch at which c went where no other did.
func (g *Graph) left(c *Call, others *Profile) (d Decision, ok bool) {
	for i := range len(c.Visits) - 1 {
		if others.Apart(c, i) {
			return Decision{Visit: i, Next: i + 1}, true
		}
	}
	return d, false
}

// last is the last branch whose other side could have ended without the block that
// c took.
func (g *Graph) last(c *Call) (d Decision, ok bool) {
	for i := len(c.Visits) - 2; i >= 0; i-- {
		from, to := c.Visits[i].Block, c.Visits[i+1].Block
		if from >= 0 && to >= 0 && g.Blocks[from].Branch && g.avoids(from, to) {
			return Decision{Visit: i, Next: i + 1}, true
		}
	}
	return d, false
}
