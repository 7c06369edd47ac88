package html

import (
	"cmp"
	"slices"
)

// graph is what a layout is made of: boxes and the arrows between them. The first
// box is where everything begins.
type graph struct {
	boxes []box
	edges []edge
}

type box struct{ width, height float64 }

type edge struct{ from, to int }

// layout is where everything was put. Boxes stand in layers, each below all that
// lead to it but for the ways back; an arrow that passes layers has a waypoint in
// each. All long arrows to one box share their waypoints, as streets do, or else a
// kernel's function, where every error jumps to the end, is a curtain of lines.
type layout struct {
	width, height float64
	boxes         []point // upper left corners
	depth         []int   // how many loops a box is in
	lines         []line
}

type point struct{ x, y float64 }

// line is a piece of an arrow.
type line struct {
	a, b point
	from int // the box that it leaves, or -1 for a shared one
	to   int // the box that it leads to in the end
	edge int // of graph.edges; -1 for a shared one
	tip  bool
	back bool // it closes a loop
	turn int  // 1: around the lower end of the layer; -1: around the upper one
}

// node is a box or a waypoint in a layer.
type node struct {
	box   int // -1 for a waypoint
	rank  int
	width float64
	x     float64 // of its middle
	up    []*node
	down  []*node
	near  []*node // in its own layer: what a way back joins
}

const (
	between   = 26.0 // boxes side by side
	layerGap  = 44.0
	lane      = 10.0 // width of a waypoint
	margin    = 24.0
	orderings = 8
	alignings = 12
)

// street is a chain of waypoints to a box: one a layer, by rank.
type street struct {
	to   int
	back bool
}

type drawing struct {
	graph
	back    []bool // by edge
	rank    []int  // by box
	nodes   []*node
	streets map[street]map[int]*node
	layers  [][]*node
}

// lay puts a graph in layers: cycles are cut, boxes ranked by their longest way
// from the start, each layer ordered so that few arrows cross, and then moved
// towards its neighbours.
func lay(g graph) layout {
	d := &drawing{graph: g, streets: map[street]map[int]*node{}}
	d.back = backEdges(g)
	d.rank = ranks(g, d.back)
	d.place()
	d.order()
	d.align()
	l := d.draw()
	l.depth = depths(g, d.back)
	return l
}

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
		if len(g.boxes) == 1 || len(out[root]) == 0 {
			below = slices.Max(rank)
		}
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

// place makes the nodes of all layers: boxes, and waypoints of the edges that are
// longer than a layer.
func (d *drawing) place() {
	d.nodes = make([]*node, len(d.boxes))
	d.layers = make([][]*node, slices.Max(d.rank)+1)
	for i, b := range d.boxes {
		d.nodes[i] = d.add(i, d.rank[i], b.width)
	}
	for i, n := range d.nodes {
		if i > 0 && !d.joined(i) { // nothing else says where it belongs
			n.near = []*node{d.nodes[i-1]}
		}
	}
	for i, e := range d.edges {
		low, high := d.rank[e.from], d.rank[e.to]
		if d.back[i] {
			for r := high; r <= low; r++ {
				d.waypoint(street{e.to, true}, r)
			}
			top, bottom := d.waypoint(street{e.to, true}, high), d.waypoint(street{e.to, true}, low)
			top.near = append(top.near, d.nodes[e.to])
			bottom.near = append(bottom.near, d.nodes[e.from])
			continue
		}
		above := d.nodes[e.from]
		for r := low + 1; r < high; r++ {
			w := d.waypoint(street{e.to, false}, r)
			connect(above, w)
			above = w
		}
		connect(above, d.nodes[e.to])
	}
	for s, points := range d.streets {
		for r, w := range points {
			if below := points[r+1]; s.back && below != nil {
				connect(w, below)
			}
		}
	}
}

func (d *drawing) joined(box int) bool {
	return slices.ContainsFunc(d.edges, func(e edge) bool { return e.from == box || e.to == box })
}

func (d *drawing) add(box, rank int, width float64) *node {
	n := &node{box: box, rank: rank, width: width}
	d.layers[rank] = append(d.layers[rank], n)
	return n
}

func (d *drawing) waypoint(s street, rank int) *node {
	if d.streets[s] == nil {
		d.streets[s] = map[int]*node{}
	}
	if d.streets[s][rank] == nil {
		d.streets[s][rank] = d.add(-1, rank, lane)
	}
	return d.streets[s][rank]
}

func connect(above, below *node) {
	if !slices.Contains(above.down, below) {
		above.down = append(above.down, below)
		below.up = append(below.up, above)
	}
}

// order sorts each layer by where its neighbours stand, downwards and upwards by
// turns.
func (d *drawing) order() {
	for _, layer := range d.layers {
		number(layer)
	}
	for pass := range orderings {
		for i := range d.layers {
			if pass%2 == 1 {
				i = len(d.layers) - 1 - i
			}
			layer := d.layers[i]
			middle := make(map[*node]float64, len(layer))
			for _, n := range layer {
				middle[n] = n.mean(pass%2 == 1)
			}
			slices.SortStableFunc(layer, func(a, b *node) int { return cmp.Compare(middle[a], middle[b]) })
			number(layer)
		}
	}
}

func number(layer []*node) {
	for i, n := range layer {
		n.x = (float64(i) + 0.5) / float64(len(layer))
	}
}

// mean is where a node would like to be: amid its neighbours of one side, or of
// the other where it has none there.
func (n *node) mean(below bool) float64 {
	one, other := n.up, n.down
	if below {
		one, other = other, one
	}
	if len(one) == 0 {
		one = other
	}
	if len(one)+len(n.near) == 0 {
		return n.x
	}
	sum := 0.0
	for _, m := range one {
		sum += m.x
	}
	for _, m := range n.near {
		sum += m.x
	}
	return sum / float64(len(one)+len(n.near))
}

// align gives each node a place: amid its neighbours as far as those of its layer
// let it.
func (d *drawing) align() {
	for _, layer := range d.layers {
		x := 0.0
		for _, n := range layer {
			n.x = x + n.width/2
			x += n.width + between
		}
	}
	for pass := range alignings {
		for i := range d.layers {
			if pass%2 == 1 {
				i = len(d.layers) - 1 - i
			}
			settle(d.layers[i], pass%2 == 1)
		}
	}
	leftmost := 0.0
	for _, layer := range d.layers {
		leftmost = min(leftmost, layer[0].x-layer[0].width/2)
	}
	for _, layer := range d.layers {
		for _, n := range layer {
			n.x += margin - leftmost
		}
	}
}

// run is a row of nodes that touch each other.
type run struct{ sum, weight, n float64 }

// settle moves the nodes of a layer to where they would like to be, with the
// least squares of what is missed, in their order and without touching: runs of
// nodes that would overlap are pooled (isotonic regression).
func settle(layer []*node, below bool) {
	var runs []run
	offsets := make([]float64, len(layer))
	for i, n := range layer {
		if i > 0 {
			before := layer[i-1]
			offsets[i] = offsets[i-1] + before.width/2 + gap(before, n) + n.width/2
		}
		weight := 1.0
		if n.box < 0 {
			weight = 3 // straight streets
		}
		runs = append(runs, run{(n.mean(below) - offsets[i]) * weight, weight, 1})
		for k := len(runs) - 1; k > 0 && runs[k-1].sum*runs[k].weight > runs[k].sum*runs[k-1].weight; k-- {
			runs[k-1] = run{runs[k-1].sum + runs[k].sum, runs[k-1].weight + runs[k].weight, runs[k-1].n + runs[k].n}
			runs = runs[:k]
		}
	}
	i := 0
	for _, r := range runs {
		for range int(r.n) {
			layer[i].x = r.sum/r.weight + offsets[i]
			i++
		}
	}
}

func gap(a, b *node) float64 {
	if a.box < 0 && b.box < 0 {
		return 2
	}
	return between
}

// draw turns the nodes into coordinates.
func (d *drawing) draw() layout {
	l := layout{boxes: make([]point, len(d.boxes))}
	tops, bottoms := make([]float64, len(d.layers)), make([]float64, len(d.layers))
	y := margin
	for i, layer := range d.layers {
		tops[i] = y
		height := 0.0
		for _, n := range layer {
			l.width = max(l.width, n.x+n.width/2+margin)
			if n.box >= 0 {
				l.boxes[n.box] = point{n.x - n.width/2, y}
				height = max(height, d.boxes[n.box].height)
			}
		}
		bottoms[i] = y + height
		y += height + layerGap
	}
	l.height = y - layerGap + margin
	d.lines(&l, tops, bottoms)
	return l
}

// lines draws each edge up to the street that it takes, and each street once.
func (d *drawing) lines(l *layout, tops, bottoms []float64) {
	leaves := d.exits()
	for i, e := range d.edges {
		start := point{leaves[i], l.boxes[e.from].y + d.boxes[e.from].height}
		end := point{d.nodes[e.to].x, tops[d.rank[e.to]]}
		r := d.rank[e.from]
		piece := line{a: start, b: end, from: e.from, to: e.to, edge: i, back: d.back[i]}
		switch {
		case d.back[i]:
			piece.b, piece.turn = point{d.streets[street{e.to, true}][r].x, bottoms[r]}, 1
		case d.rank[e.to] > r+1:
			piece.b = point{d.streets[street{e.to, false}][r+1].x, tops[r+1]}
		default:
			piece.tip = true
		}
		l.lines = append(l.lines, piece)
	}
	for _, s := range d.sortedStreets() {
		d.street(l, s, tops, bottoms)
	}
}

func (d *drawing) sortedStreets() (all []street) {
	for s := range d.streets {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b street) int {
		if c := cmp.Compare(a.to, b.to); c != 0 || a.back == b.back {
			return c
		}
		if a.back {
			return 1
		}
		return -1
	})
	return all
}

// street draws a chain of waypoints, from layer to layer.
func (d *drawing) street(l *layout, s street, tops, bottoms []float64) {
	end := point{d.nodes[s.to].x, tops[d.rank[s.to]]}
	for r := range d.layers {
		w := d.streets[s][r]
		if w == nil {
			continue
		}
		piece := line{from: -1, to: s.to, edge: -1, back: s.back}
		add := func(a, b point) {
			piece.a, piece.b = a, b
			l.lines = append(l.lines, piece)
		}
		upper, lower := point{w.x, tops[r]}, point{w.x, bottoms[r]}
		next := d.streets[s][r+1]
		if !s.back {
			add(upper, lower)
			if next != nil {
				add(lower, point{next.x, tops[r+1]})
			} else {
				piece.tip = true
				add(lower, end)
			}
			continue
		}
		if next != nil {
			add(point{next.x, tops[r+1]}, lower)
		}
		add(lower, upper)
		if r == d.rank[s.to] {
			piece.tip, piece.turn = true, -1
			add(upper, end)
		}
	}
}

// exits spreads the places where edges leave a box along its lower side, in the
// order of where they go.
func (d *drawing) exits() []float64 {
	leaves := make([]float64, len(d.edges))
	for from, out := range d.successors() {
		slices.SortStableFunc(out, func(a, b int) int { return cmp.Compare(d.heads(a), d.heads(b)) })
		n, width := d.nodes[from], min(d.boxes[from].width, 160)
		for k, e := range out {
			leaves[e] = n.x + width*(float64(k+1)/float64(len(out)+1)-0.5)
		}
	}
	return leaves
}

// heads is the x of where an edge goes first.
func (d *drawing) heads(i int) float64 {
	e := d.edges[i]
	r := d.rank[e.from] + 1
	if d.back[i] {
		r--
	}
	if w := d.streets[street{e.to, d.back[i]}][r]; w != nil {
		return w.x
	}
	return d.nodes[e.to].x
}
