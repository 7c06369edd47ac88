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
