package html

import "slices"

// successors lists the edges that leave each box.
func (g graph) successors() [][]int {
	out := make([][]int, len(g.boxes))
	for i, e := range g.edges {
		out[e.from] = append(out[e.from], i)
	}
	return out
}

// backEdges finds the edges that lead back to a box which is being visited, depth
// first, without recursion: a function can have a chain of thousands of blocks.
func backEdges(g graph) []bool {
	back := make([]bool, len(g.edges))
	out := g.successors()
	const unseen, open, done = 0, 1, 2
	state := make([]int, len(g.boxes))
	for root := range g.boxes {
		if state[root] != unseen {
			continue
		}
		path, next := []int{root}, map[int]int{}
		state[root] = open
		for len(path) > 0 {
			at := path[len(path)-1]
			if next[at] == len(out[at]) {
				state[at] = done
				path = path[:len(path)-1]
				continue
			}
			e := out[at][next[at]]
			next[at]++
			switch to := g.edges[e].to; state[to] {
			case unseen:
				state[to] = open
				path = append(path, to)
			case open:
				back[e] = true
			}
		}
	}
	return back
}

// ranks puts each box one below the lowest that leads to it; what nothing leads
// to stands above what it leads to.
func ranks(g graph, back []bool) []int {
	rank, waits := make([]int, len(g.boxes)), make([]int, len(g.boxes))
	for i, e := range g.edges {
		if !back[i] {
			waits[e.to]++
		}
	}
	out := g.successors()
	var ready, roots []int
	for i := len(waits) - 1; i >= 0; i-- {
		if waits[i] == 0 {
			ready = append(ready, i)
			roots = append(roots, i)
		}
	}
	for len(ready) > 0 {
		at := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		for _, i := range out[at] {
			if to := g.edges[i].to; !back[i] {
				rank[to] = max(rank[to], rank[at]+1)
				if waits[to]--; waits[to] == 0 {
					ready = append(ready, to)
				}
			}
		}
	}
	for _, root := range roots {
		if root == 0 {
			continue
		}
		below := slices.Max(rank) + 1
		for _, i := range out[root] {
			if !back[i] {
				below = min(below, rank[g.edges[i].to])
			}
		}
		rank[root] = max(below-1, 0)
	}
	return rank
}

// depths counts the loops that a box is in: those of a back edge are the boxes
// from which its source is reached without passing its target.
func depths(g graph, back []bool) []int {
	in := make([][]int, len(g.boxes))
	for i, e := range g.edges {
		if !back[i] {
			in[e.to] = append(in[e.to], e.from)
		}
	}
	loops := map[int]map[int]bool{} // by the box that a loop begins with
	for i, e := range g.edges {
		if !back[i] {
			continue
		}
		body := loops[e.to]
		if body == nil {
			body = map[int]bool{e.to: true}
			loops[e.to] = body
		}
		for todo := []int{e.from}; len(todo) > 0; {
			at := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if !body[at] {
				body[at] = true
				todo = append(todo, in[at]...)
			}
		}
	}
	depth := make([]int, len(g.boxes))
	for _, body := range loops {
		for at := range body {
			depth[at]++
		}
	}
	return depth
}
