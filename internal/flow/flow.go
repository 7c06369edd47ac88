// Package flow finds how often the edges of a control-flow graph were taken, from how
// often its blocks ran: what enters a block leaves it.
//
// A block is an entrance and an exit, and what passes from the one to the other is its
// count; edges lead from exits to entrances, from and to the world outside. At each
// entrance and exit as much arrives as departs. Of what is counted nothing more has to
// be known, so it is taken out. What is left are the numbers that are open, as the
// edges of a graph: one of them follows if, and only if, without it the graph falls
// apart there (it is a bridge): then it is all that one part lacks. Those that don't
// follow are on a ring, of which more on one edge and less on the next would be no
// different; a count of one edge of it opens it.
package flow

// Graph is the flow of control in one function.
type Graph struct {
	Entry  int // the block where calls begin
	Blocks []Block
}

// Block is one block of a Graph. One without edges ends in a trap.
type Block struct {
	Succ []int // where its edges lead; Out for those that leave the function
	// Entered tells that it is also reached in ways that are no edges, and Left
	// that it is also left so: by a jump to where only running tells.
	Entered, Left bool
}

// Out is where an edge leads that leaves the function.
const Out = -1

// Count is how often something ran.
type Count struct {
	N     uint64
	Known bool
}

// Counts are those of a Graph.
type Counts struct {
	Calls  Count // entries from outside
	Ended  Count // by edges that leave the function, and in traps
	Blocks []Count
	Edges  [][]Count // of each block, in the order of its Succ
	// Off is by how much the edges into a block, or out of it, are more than it ran,
	// where that is known from more than one side: what began or ended within a call,
	// and what was missed. What is off in a ring is told at one block of it.
	Off []int64
}

// New is counts of g of which none is known.
func (g *Graph) New() *Counts {
	c := &Counts{Blocks: make([]Count, len(g.Blocks)), Edges: make([][]Count, len(g.Blocks)), Off: make([]int64, len(g.Blocks))}
	for i, b := range g.Blocks {
		c.Edges[i] = make([]Count, len(b.Succ))
	}
	return c
}

// Solve finds what follows from the counts that are known, which are left as they
// are. What would have to be below zero is zero, and off.
func (g *Graph) Solve(c *Counts) {
	n := g.network(c)
	for n.bridges() || n.zeros() {
	}
	for i := range g.Blocks {
		in, out := n.rest[entrance(i)], -n.rest[exit(i)]
		if c.Off[i] = in; abs(out) > abs(in) {
			c.Off[i] = out
		}
	}
	c.Ended = n.ended()
}

// Open is a block of which not all edges would be known, if the blocks and edges are
// that known tells of, and of which may is true; -1 if there is none.
func (g *Graph) Open(known *Counts, may func(block int) bool) int {
	c := g.New()
	c.Calls = known.Calls
	copy(c.Blocks, known.Blocks)
	for i, edges := range known.Edges {
		copy(c.Edges[i], edges)
	}
	g.network(c).bridges()
	for i, edges := range c.Edges {
		for _, e := range edges {
			if !e.Known && may(i) {
				return i
			}
		}
	}
	return -1
}

func abs(n int64) int64 { return max(n, -n) }
