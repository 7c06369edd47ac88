package flow

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// walk makes a graph of n blocks in which each leads on, and random calls through it.
func walk(random *rand.Rand, n, calls int) (*Graph, *Counts) {
	g := &Graph{Blocks: make([]Block, n)}
	for i := range g.Blocks {
		to := i + 1
		if to == n {
			to = Out
		}
		g.Blocks[i].Succ = []int{to}
		switch random.IntN(6) {
		case 0, 1, 2, 3:
			g.Blocks[i].Succ = append(g.Blocks[i].Succ, random.IntN(n+1)-1)
		case 4:
			g.Blocks[i].Left = true
			g.Blocks[random.IntN(n)].Entered = true
		}
	}
	var strays []int
	for i, b := range g.Blocks {
		if b.Entered {
			strays = append(strays, i)
		}
	}
	c := g.New()
	c.Calls = Count{uint64(calls), true}
	c.Ended = c.Calls
	for range calls {
		for at, steps := 0, 0; at != Out; steps++ {
			c.Blocks[at].N++
			b := g.Blocks[at]
			if b.Left && steps < 4*n && random.IntN(2) == 0 {
				at = strays[random.IntN(len(strays))]
				continue
			}
			k := random.IntN(len(b.Succ))
			if steps > 4*n { // home
				k = 0
			}
			c.Edges[at][k].N++
			at = b.Succ[k]
		}
	}
	return g, c
}

// seen is what of the truth was counted.
func seen(random *rand.Rand, g *Graph, truth *Counts) *Counts {
	c := g.New()
	c.Calls.Known = random.IntN(2) == 0
	if c.Calls.Known {
		c.Calls.N = truth.Calls.N
	}
	for i, b := range truth.Blocks {
		if random.IntN(8) > 0 {
			c.Blocks[i] = Count{b.N, true}
		}
		for k, e := range truth.Edges[i] {
			if random.IntN(16) == 0 {
				c.Edges[i][k] = Count{e.N, true}
			}
		}
	}
	return c
}

// check finds what is not as in truth, and tells how many numbers are open.
func check(t *testing.T, g *Graph, c, truth *Counts) (open, all int) {
	t.Helper()
	same := func(what string, got, want Count) {
		t.Helper()
		all++
		if !got.Known {
			open++
		} else if got.N != want.N {
			t.Fatalf("%s: found %d, true is %d\n%+v", what, got.N, want.N, g)
		}
	}
	same("calls", c.Calls, truth.Calls)
	same("ended", c.Ended, truth.Ended)
	for i, b := range c.Blocks {
		same("a block", b, truth.Blocks[i])
		if c.Off[i] != 0 {
			t.Fatalf("block %d is off by %d where all was counted\n%+v", i, c.Off[i], g)
		}
		for k, e := range c.Edges[i] {
			same("an edge", e, truth.Edges[i][k])
		}
	}
	return open, all
}

func TestWhatFollowsIsWhatHappened(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	open, all := 0, 0
	for range 3000 {
		g, truth := walk(random, 1+random.IntN(20), random.IntN(50))
		c := seen(random, g, truth)
		g.Solve(c)
		o, a := check(t, g, c, truth)
		open, all = open+o, all+a
	}
	if open == 0 || open > all*2/3 {
		t.Errorf("%d of %d numbers are open", open, all)
	}
}

func TestWhetherAnEdgeWasTakenFollowsFromWhetherBlocksRan(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	open, all := 0, 0
	for range 3000 {
		g, truth := walk(random, 1+random.IntN(20), random.IntN(4))
		c := g.New()
		for i, b := range truth.Blocks {
			if random.IntN(16) > 0 {
				c.Blocks[i] = Count{min(b.N, 1), true}
			}
		}
		g.SolveOnce(c)
		for i, b := range c.Blocks {
			if b.Known && b.N != min(truth.Blocks[i].N, 1) {
				t.Fatalf("block %d: found %d, it ran %d times\n%+v", i, b.N, truth.Blocks[i].N, g)
			}
			for k, e := range c.Edges[i] {
				if all++; !e.Known {
					open++
				} else if e.N != min(truth.Edges[i][k].N, 1) {
					t.Fatalf("edge %d of block %d: found %d, it was taken %d times\n%+v", k, i, e.N, truth.Edges[i][k].N, g)
				}
			}
		}
	}
	if open == 0 || open > all/2 {
		t.Errorf("%d of %d edges are open", open, all)
	}
}

func FuzzSolve(f *testing.F) {
	f.Add(uint64(1), uint8(5), uint8(9))
	f.Add(uint64(7), uint8(40), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, blocks, calls uint8) {
		random := rand.New(rand.NewPCG(seed, 0))
		g, truth := walk(random, 1+int(blocks), int(calls))
		c := seen(random, g, truth)
		g.Solve(c)
		check(t, g, c, truth)
	})
}

func TestWhatIsOpenCouldBeOtherwise(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		g, truth := walk(random, 1+random.IntN(9), 20)
		c := seen(random, g, truth)
		n := g.network(c)
		before := equations(n)
		follow := make([]bool, len(n.numbers))
		for i, x := range n.numbers {
			follow[i] = !x.Known && determined(before, i)
		}
		n.bridges()
		for i, x := range n.numbers {
			if x.Known != (follow[i] || before[0][i] == known) {
				t.Fatalf("number %d from %d to %d: known %t, it follows: %t\n%+v", i, x.from, x.to, x.Known, follow[i], g)
			}
		}
	}
}

// known marks, in the first row of equations, what needs none.
const known = 99

// equations are those of each node, a coefficient a number, behind a row of marks.
func equations(n *network) [][]float64 {
	rows := make([][]float64, len(n.at))
	for i := range rows {
		rows[i] = make([]float64, len(n.numbers))
	}
	for i, x := range n.numbers {
		if x.Known {
			rows[world][i] = known
			continue
		}
		if x.from != world {
			rows[x.from][i]--
		}
		if x.to != world {
			rows[x.to][i]++
		}
	}
	return rows
}

// determined tells whether number i follows from the equations: whether the rank stays
// if it is added as one.
func determined(rows [][]float64, i int) bool {
	unit := make([]float64, len(rows[0]))
	unit[i] = 1
	return rank(rows[1:]) == rank(append([][]float64{unit}, rows[1:]...))
}

// rank is exact: the coefficients stay -1, 0 and 1, as those of any network.
func rank(of [][]float64) (n int) {
	var rows [][]float64
	for _, r := range of {
		rows = append(rows, append([]float64(nil), r...))
	}
	for column := 0; len(rows) > n && column < len(rows[0]); column++ {
		pivot := n
		for pivot < len(rows) && rows[pivot][column] == 0 {
			pivot++
		}
		if pivot == len(rows) {
			continue
		}
		rows[n], rows[pivot] = rows[pivot], rows[n]
		for _, r := range rows[n+1:] {
			factor := r[column] / rows[n][column]
			for k := range r {
				r[k] -= factor * rows[n][k]
			}
		}
		n++
	}
	return n
}

// ring is a graph in which both of two blocks lead to both of two others.
func ring(counts ...uint64) (*Graph, *Counts) {
	g := &Graph{Blocks: []Block{{Succ: []int{1, 2}}, {Succ: []int{3, 4}}, {Succ: []int{3, 4}}, {Succ: []int{Out}}, {Succ: []int{Out}}}}
	c := g.New()
	for i, n := range counts {
		c.Blocks[i] = Count{n, true}
	}
	return g, c
}

func TestARingIsOpenedByACountOfOneEdge(t *testing.T) {
	g, c := ring(10, 6, 4, 7, 3)
	anywhere := func(int) bool { return true }
	if at := g.Open(c, anywhere); at != 1 {
		t.Errorf("open at %d, want 1", at)
	}
	c.Edges[1][0] = Count{5, true}
	if at := g.Open(c, anywhere); at != -1 {
		t.Errorf("open at %d with an edge's count", at)
	}
	g.Solve(c)
	if got := c.Edges[2]; got[0] != (Count{2, true}) || got[1] != (Count{2, true}) {
		t.Errorf("the other edges are %v, want 2 and 2", got)
	}
}

func TestARingIsOpenedByABlockThatNeverRan(t *testing.T) {
	g, c := ring(6, 6, 0, 4, 2)
	g.Solve(c)
	want := [][]Count{{{6, true}, {0, true}}, {{4, true}, {2, true}}, {{0, true}, {0, true}}, {{4, true}}, {{2, true}}}
	if diff := cmp.Diff(want, c.Edges); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
}

func TestWhatDoesNotAddUpIsTold(t *testing.T) {
	g := &Graph{Blocks: []Block{{Succ: []int{1}}, {Succ: []int{Out}}}}
	c := g.New()
	c.Blocks[0], c.Blocks[1] = Count{10, true}, Count{8, true}
	g.Solve(c)
	if c.Off[0] != 0 || c.Off[1] != 2 {
		t.Errorf("off by %v, want 0 and 2", c.Off)
	}
	if c.Calls.N != 10 || c.Ended.N != 8 {
		t.Errorf("%d calls, %d ended, want 10 and 8", c.Calls.N, c.Ended.N)
	}
	g, c = ring(10, 6, 4, 9, 3)
	g.Solve(c)
	if diff := cmp.Diff([]int64{0, 0, 0, 0, -2}, c.Off); diff != "" || c.Edges[1][0].Known {
		t.Errorf("a ring is off by (-want +got):\n%s", diff)
	}
}
