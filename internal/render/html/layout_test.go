package html

import (
	"math/rand"
	"testing"
	"time"
)

// anyGraph is n boxes with falls through, jumps ahead and jumps back.
func anyGraph(r *rand.Rand, n int) (g graph) {
	for i := range n {
		g.boxes = append(g.boxes, box{40 + 200*r.Float64(), 20 + 100*r.Float64()})
		if r.Intn(8) > 0 && i+1 < n {
			g.edges = append(g.edges, edge{i, i + 1})
		}
		switch r.Intn(4) {
		case 0:
			g.edges = append(g.edges, edge{i, r.Intn(i + 1)})
		case 1, 2:
			g.edges = append(g.edges, edge{i, i + r.Intn(n-i)})
		}
	}
	return g
}

func TestNoBoxLiesOnAnother(t *testing.T) {
	for seed := range int64(60) {
		g := anyGraph(rand.New(rand.NewSource(seed)), 1+int(seed)*2)
		l := lay(g)
		for i, a := range l.boxes {
			if a.x < 0 || a.y < 0 || a.x+g.boxes[i].width > l.width || a.y+g.boxes[i].height > l.height {
				t.Fatalf("seed %d: box %d is outside of the page", seed, i)
			}
			for j, b := range l.boxes[:i] {
				if a.x < b.x+g.boxes[j].width && b.x < a.x+g.boxes[i].width && a.y < b.y+g.boxes[j].height && b.y < a.y+g.boxes[i].height {
					t.Fatalf("seed %d: boxes %d and %d overlap", seed, i, j)
				}
			}
		}
	}
}

func TestArrowsLeadDownButForThoseThatCloseALoop(t *testing.T) {
	g := graph{boxes: make([]box, 5), edges: []edge{{0, 1}, {1, 2}, {2, 1}, {2, 3}, {0, 3}, {3, 3}}}
	l := lay(g)
	for i, want := range []bool{false, false, true, false, false, true} {
		if got := backEdges(g)[i]; got != want {
			t.Errorf("edge %v closes a loop: %v, want %v", g.edges[i], got, want)
		}
	}
	for i, want := range []int{0, 1, 1, 1, 0} {
		if l.depth[i] != want {
			t.Errorf("box %d is in %d loops, want %d", i, l.depth[i], want)
		}
	}
	if !(l.boxes[0].y < l.boxes[1].y && l.boxes[1].y < l.boxes[2].y && l.boxes[2].y < l.boxes[3].y) {
		t.Errorf("boxes stand at %v", l.boxes)
	}
}

func TestEveryEdgeHasALineThatLeavesItsBoxAndATipAtItsEnd(t *testing.T) {
	g := anyGraph(rand.New(rand.NewSource(1)), 80)
	leaves, tips := map[int]bool{}, map[int]bool{}
	for _, piece := range lay(g).lines {
		if piece.edge >= 0 {
			leaves[piece.edge] = true
		}
		if piece.tip {
			tips[piece.to] = true
		}
	}
	for i, e := range g.edges {
		if !leaves[i] || !tips[e.to] {
			t.Errorf("edge %v: leaves %v, tip %v", e, leaves[i], tips[e.to])
		}
	}
}

func TestALayoutOfAThousandBlocksTakesSeconds(t *testing.T) {
	start := time.Now()
	lay(anyGraph(rand.New(rand.NewSource(1)), 1000))
	if took := time.Since(start); took > 5*time.Second { // on a busy machine
		t.Errorf("it took %v", took)
	}
}
