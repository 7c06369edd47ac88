package html

import (
	"cmp"
	"slices"
)

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
