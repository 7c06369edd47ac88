package flow

// A network is a graph's numbers and where they come together.
type network struct {
	numbers []number
	at      [][]int // the numbers of each node
	// rest is of each part that hangs together by open numbers, at one of its nodes, by
	// how much more is known to arrive there than to depart, if it lacks no more of them.
	rest []int64
}

// A number flows from one node to another.
type number struct {
	*Count
	from, to int
	leaves   bool // the function, by an edge or in a trap
}

// The nodes: the world outside, and of each block where it is entered and left.
const world = 0

func entrance(block int) int { return 1 + 2*block }
func exit(block int) int     { return 2 + 2*block }

func (g *Graph) network(c *Counts) *network {
	n := &network{at: make([][]int, 1+2*len(g.Blocks))}
	if len(g.Blocks) > 0 {
		n.add(number{&c.Calls, world, entrance(g.Entry), false})
	}
	for i, b := range g.Blocks {
		n.add(number{&c.Blocks[i], entrance(i), exit(i), false})
		for k, to := range b.Succ {
			if to == Out {
				n.add(number{&c.Edges[i][k], exit(i), world, true})
			} else {
				n.add(number{&c.Edges[i][k], exit(i), entrance(to), false})
			}
		}
		if b.Entered {
			n.add(number{new(Count), world, entrance(i), false})
		}
		if b.Left || len(b.Succ) == 0 {
			n.add(number{new(Count), exit(i), world, !b.Left})
		}
	}
	return n
}

func (n *network) add(x number) {
	n.at[x.from] = append(n.at[x.from], len(n.numbers))
	n.at[x.to] = append(n.at[x.to], len(n.numbers))
	n.numbers = append(n.numbers, x)
}

// sum adds up what is known at a node, and counts what is not.
func (n *network) sum(node int) (sum int64, open int) {
	for _, i := range n.at[node] {
		switch x := n.numbers[i]; {
		case !x.Known:
			open++
		case x.to == node:
			sum += int64(x.N)
		default:
			sum -= int64(x.N)
		}
	}
	return sum, open
}

// zeros finds nodes whose open numbers all arrive, or all depart, and are nothing
// together: then each is nothing.
func (n *network) zeros() (found bool) {
	for node := 1; node < len(n.at); node++ {
		sum, open := n.sum(node)
		if open == 0 || sum != 0 || !n.oneWay(node) {
			continue
		}
		for _, i := range n.at[node] {
			if x := n.numbers[i]; !x.Known {
				*x.Count, found = Count{0, true}, true
			}
		}
	}
	return found
}

func (n *network) oneWay(node int) bool {
	arrive, depart := false, false
	for _, i := range n.at[node] {
		if x := n.numbers[i]; !x.Known {
			arrive, depart = arrive || x.to == node, depart || x.from == node
		}
	}
	return arrive != depart
}

// ended adds up what leaves the function.
func (n *network) ended() (sum Count) {
	sum.Known = true
	for _, x := range n.numbers {
		if x.leaves {
			sum.N += x.N
			sum.Known = sum.Known && x.Known
		} else if x.to == world && (!x.Known || x.N > 0) {
			sum.Known = false // a jump that leads nobody knows where
		}
	}
	if !sum.Known {
		sum.N = 0
	}
	return sum
}
