package way

import "fmt"

// A bridge is how one block that was seen leads to the next, over those that no
// probe can see.
type bridge struct {
	over []int
	ways int // 0, 1, or 2 for several
}

// extend takes a call to the next block that was seen; it tells why it can't.
func (g *Graph) extend(c *Call, next Visit) string {
	last := c.Visits[len(c.Visits)-1]
	if last.Gap {
		g.resume(c, next)
		return ""
	}
	b := g.between(last.Block, next.Block)
	switch b.ways {
	case 0:
		return fmt.Sprintf("no edge of %s leads from block %d to %d", g.Name, last.Block, next.Block)
	case 1:
		for _, block := range b.over {
			c.Visits = append(c.Visits, Visit{Block: block, At: next.At, Unseen: true})
		}
	default:
		next.Unsure = true
	}
	c.Visits = append(c.Visits, next)
	return ""
}

// resume goes on behind a gap. Where one block only leads to the next, it ran, and what
// the call within it was that returned last.
func (g *Graph) resume(c *Call, next Visit) {
	gap := &c.Visits[len(c.Visits)-1]
	from := Nowhere
	for b := range g.Blocks {
		if !contains(g.Blocks[b].Succ, next.Block) {
			continue
		}
		if from != Nowhere {
			from = Nowhere
			break
		}
		from = b
	}
	if from != Nowhere && next.Block != 0 && !g.Blocks[next.Block].Stray {
		before := Visit{Block: from, At: gap.At, Inner: gap.Inner, Unseen: true}
		gap.Inner = nil
		c.Visits = append(c.Visits, before)
	}
	c.Visits = append(c.Visits, next)
}

func contains(blocks []int, block int) bool {
	for _, b := range blocks {
		if b == block {
			return true
		}
	}
	return false
}

// between finds the ways from one block to another over blocks that are not seen.
func (g *Graph) between(from, to int) bridge {
	if b, known := g.bridges[[2]int{from, to}]; known {
		return b
	}
	s := search{g: g, on: map[int]bool{}, arrived: func(block int) bool { return block == to }}
	s.from(from)
	if s.loops && s.found.ways == 1 && len(s.found.over) > 0 {
		s.found.ways = 2
	}
	if g.bridges == nil {
		g.bridges = map[[2]int]bridge{}
	}
	g.bridges[[2]int{from, to}] = s.found
	return s.found
}

// ends reports whether a call may return from a block, or from those behind it that
// are not seen.
func (g *Graph) ends(from int) bool {
	if g.Blocks[from].Ends {
		return true
	}
	s := search{g: g, on: map[int]bool{}, arrived: func(block int) bool { return g.Blocks[block].Ends && !g.Blocks[block].Seen }}
	s.from(from)
	return s.found.ways > 0
}

// search walks over what is not seen.
type search struct {
	g       *Graph
	arrived func(int) bool
	on      map[int]bool // the way so far
	way     []int
	found   bridge
	steps   int
	loops   bool // what is not seen may run any number of times
}

// patience bounds a search; what it can't tell is as if there were several ways.
const patience = 10_000

func (s *search) from(block int) {
	b := &s.g.Blocks[block]
	for _, to := range b.Succ {
		s.to(to)
	}
	for to := range s.g.Blocks {
		if b.Indirect && s.g.Blocks[to].Stray {
			s.to(to)
		}
	}
}

func (s *search) to(block int) {
	if s.on[block] {
		s.loops = true
	}
	if s.steps++; s.found.ways > 1 || s.on[block] {
		return
	}
	if s.steps > patience {
		s.found.ways = 2
		return
	}
	if s.arrived(block) {
		if s.found.ways++; s.found.ways == 1 {
			s.found.over = append([]int(nil), s.way...)
		}
	}
	if s.g.Blocks[block].Seen {
		return
	}
	s.on[block] = true
	s.way = append(s.way, block)
	s.from(block)
	s.way = s.way[:len(s.way)-1]
	delete(s.on, block)
}
