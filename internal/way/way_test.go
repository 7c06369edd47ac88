package way

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// random makes functions of up to 12 blocks, most of which are seen.
func random(r *rand.Rand) []Graph {
	graphs := make([]Graph, 1+r.IntN(4))
	for i := range graphs {
		g := &graphs[i]
		g.Blocks = make([]Block, 2+r.IntN(11))
		for b := range g.Blocks {
			block := &g.Blocks[b]
			block.Seen = b == 0 || r.IntN(6) > 0
			for range r.IntN(3) {
				if to := 1 + r.IntN(len(g.Blocks)-1); len(block.Succ) == 0 || block.Succ[0] != to {
					block.Succ = append(block.Succ, to)
				}
			}
			block.Ends = len(block.Succ) == 0 || r.IntN(8) == 0
			block.Branch = len(block.Succ) > 1
		}
	}
	return graphs
}

// walk runs a function as a processor would, with calls in its blocks; it returns the
// steps that probes tell of, and the way. ok is false where it does not come to an end.
func walk(r *rand.Rand, graphs []Graph, fn, depth int, clock *uint64, steps *[]Step) (c *Call, ok bool) {
	g := &graphs[fn]
	c = &Call{Func: fn, Began: *clock}
	kind, at := Enter, 0
	for range 40 {
		*clock += 1 + r.Uint64N(9)
		if g.Blocks[at].Seen {
			*steps = append(*steps, Step{Kind: kind, Func: fn, Block: at, At: *clock})
		}
		kind = Pass
		c.Visits = append(c.Visits, Visit{Block: at})
		for depth > 0 && r.IntN(4) == 0 {
			in, ok := walk(r, graphs, r.IntN(len(graphs)), depth-1, clock, steps)
			if !ok {
				return nil, false
			}
			last := &c.Visits[len(c.Visits)-1]
			last.Inner = append(last.Inner, in)
		}
		b := g.Blocks[at]
		if b.Ends && (len(b.Succ) == 0 || r.IntN(3) == 0) {
			*clock++
			*steps = append(*steps, Step{Kind: Leave, Func: fn, At: *clock, Word: *clock})
			return c, true
		}
		at = b.Succ[r.IntN(len(b.Succ))]
	}
	return nil, false
}

// agrees holds what was put together against what ran. Calls in a block that is not
// seen are told of the one before it; so only ways are compared, and calls as a whole.
func agrees(t *testing.T, g []Graph, ran, got *Call) {
	t.Helper()
	at := 0
	var inner, made []*Call
	for _, v := range ran.Visits {
		inner = append(inner, v.Inner...)
	}
	for _, v := range got.Visits {
		made = append(made, v.Inner...)
		if v.Unsure {
			for at < len(ran.Visits) && !g[ran.Func].Blocks[ran.Visits[at].Block].Seen {
				at++
			}
		}
		if at >= len(ran.Visits) || ran.Visits[at].Block != v.Block {
			t.Fatalf("ran %v, got %v", ran.Blocks(), got.Blocks())
		}
		at++
	}
	if len(inner) != len(made) || ran.Func != got.Func {
		t.Fatalf("of function %d with %d calls: got %d with %d", ran.Func, len(inner), got.Func, len(made))
	}
	for i := range inner {
		agrees(t, g, inner[i], made[i])
	}
}

func TestAWayIsPutTogetherAsItRan(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	whole := 0
	for range 20_000 {
		graphs := random(r)
		var clock uint64
		var steps []Step
		ran, ok := walk(r, graphs, 0, 3, &clock, &steps)
		if !ok {
			continue
		}
		got, err := Assemble(graphs, steps)
		if err != nil {
			t.Fatalf("%v\nran %v\nsteps %v", err, ran.Blocks(), steps)
		}
		agrees(t, graphs, ran, got)
		whole++
	}
	if whole < 5000 {
		t.Errorf("only %d of 20,000 walks came to an end", whole)
	}
}

// What one step was dropped of is either refused, or a way on which each pair of
// neighbours is an edge: one that could have run.
func TestAWayWithAStepMissedIsRefusedOrCouldHaveRun(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	refused, made := 0, 0
	for range 20_000 {
		graphs := random(r)
		var clock uint64
		var steps []Step
		if _, ok := walk(r, graphs, 0, 3, &clock, &steps); !ok {
			continue
		}
		at := r.IntN(len(steps))
		got, err := Assemble(graphs, append(append([]Step(nil), steps[:at]...), steps[at+1:]...))
		if err != nil {
			refused++
			continue
		}
		made++
		checkEdges(t, graphs, got)
	}
	if refused < made {
		t.Errorf("%d were refused, %d were not", refused, made)
	}
}

func checkEdges(t *testing.T, graphs []Graph, c *Call) {
	t.Helper()
	for i, v := range c.Visits {
		for _, in := range v.Inner {
			checkEdges(t, graphs, in)
		}
		if i == 0 || v.Unsure {
			continue
		}
		from, edge := graphs[c.Func].Blocks[c.Visits[i-1].Block], false
		for _, to := range from.Succ {
			edge = edge || to == v.Block
		}
		if !edge {
			t.Fatalf("block %d does not lead to %d", c.Visits[i-1].Block, v.Block)
		}
	}
}

// A call that is cut in the middle has its first and its last blocks, and nothing of
// what ran between.
func TestWhatWasNotKeptIsAGap(t *testing.T) {
	graphs := []Graph{
		{Blocks: []Block{{Seen: true, Succ: []int{1}}, {Seen: true, Succ: []int{1, 2}}, {Seen: true, Ends: true}}},
		{Blocks: []Block{{Seen: true, Succ: []int{1}}, {Seen: true, Ends: true}}},
	}
	steps := []Step{
		{Kind: Enter}, {Kind: Pass, Block: 1, At: 5}, {Kind: Enter, Func: 1, At: 6},
		{Kind: Gap},
		{Kind: Pass, Func: 1, Block: 1, At: 50}, {Kind: Leave, Func: 1, At: 51},
		{Kind: Pass, Block: 1, At: 60}, {Kind: Pass, Block: 2, At: 70}, {Kind: Leave, At: 80, Word: 7},
	}
	c, err := Assemble(graphs, steps)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0, 1, Nowhere, 1, 2}, c.Blocks()); diff != "" || !c.Cut || c.Result != 7 || c.Took != 80 {
		t.Errorf("cut %v, result %d, took %d: %s", c.Cut, c.Result, c.Took, diff)
	}
	if in := c.Visits[1].Inner; len(in) != 1 || !in[0].Cut {
		t.Errorf("the call that the gap began in: %v", in)
	}
	if in := c.Visits[2].Inner; len(in) != 1 || !cmp.Equal(in[0].Blocks(), []int{Nowhere, 0, 1}) {
		t.Errorf("the call that the gap ended in: %v", in)
	}
}

// Of any walk with any gap the first and the last blocks are those that ran, and what
// decided it is a branch that ran.
func TestAnyGapLeavesWhatRanBeforeAndBehindIt(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	made, decided := 0, 0
	for range 20_000 {
		graphs := random(r)
		var clock uint64
		var steps []Step
		whole, ok := walk(r, graphs, 0, 3, &clock, &steps)
		if !ok || len(steps) < 6 {
			continue
		}
		from := 1 + r.IntN(len(steps)-3)
		to := from + 1 + r.IntN(len(steps)-from-1)
		steps[len(steps)-1].Word = uint64(1<<64 - 2)
		c, err := Assemble(graphs, append(append(append([]Step(nil), steps[:from]...), Step{Kind: Gap}), steps[to:]...))
		if err != nil {
			t.Fatalf("%v\nran %v\nsteps %v, from %d to %d not kept", err, whole.Blocks(), steps, from, to)
		}
		made++
		last := c.Visits[len(c.Visits)-1]
		if ran := whole.Blocks(); !last.Gap && graphs[0].Blocks[ran[len(ran)-1]].Seen && last.Block != ran[len(ran)-1] {
			t.Fatalf("ran %v, got %v", ran, c.Blocks())
		}
		var others Profile
		others.Add(c)
		for _, p := range []*Profile{nil, &others} {
			if d, ok := graphs[0].Decide(c, p); ok {
				decided++
				if kept := c.Visits[d.Visit].Block >= 0 && !c.Visits[d.Next].Gap; d.Inner == nil && (d.Next != d.Visit+1 || !kept) {
					t.Fatalf("%v: decided at %+v", c.Blocks(), d)
				}
			}
		}
	}
	if made < 3000 || decided < 1000 {
		t.Errorf("%d made, %d decided", made, decided)
	}
}

func TestABlockThatNoProbeSeesIsOnTheWayOnlyIfNoOtherLeadsOn(t *testing.T) {
	for _, test := range []struct {
		name   string
		blocks []Block
		want   []Visit
	}{
		{"the only way", []Block{{Seen: true, Succ: []int{1}}, {Succ: []int{2}}, {Seen: true, Ends: true}},
			[]Visit{{Block: 0}, {Block: 1, Unseen: true}, {Block: 2}}},
		{"or straight on", []Block{{Seen: true, Succ: []int{1, 2}}, {Succ: []int{2}}, {Seen: true, Ends: true}},
			[]Visit{{Block: 0}, {Block: 2, Unsure: true}}},
		{"any number of times", []Block{{Seen: true, Succ: []int{1}}, {Succ: []int{1, 2}}, {Seen: true, Ends: true}},
			[]Visit{{Block: 0}, {Block: 2, Unsure: true}}},
	} {
		c, err := Assemble([]Graph{{Blocks: test.blocks}}, []Step{{Kind: Enter}, {Kind: Pass, Block: 2}, {Kind: Leave}})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if diff := cmp.Diff(test.want, c.Visits); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestALoopIsFolded(t *testing.T) {
	for _, test := range []struct {
		blocks []int
		want   []Run
	}{
		{[]int{0, 1, 2}, []Run{{[]int{0, 1, 2}, 1}}},
		{[]int{0, 1, 2, 1, 2, 1, 2, 3}, []Run{{[]int{0}, 1}, {[]int{1, 2}, 3}, {[]int{3}, 1}}},
		{[]int{5, 5, 5, 5}, []Run{{[]int{5}, 4}}},
		{nil, nil},
	} {
		if diff := cmp.Diff(test.want, Fold(test.blocks)); diff != "" {
			t.Errorf("%v: %s", test.blocks, diff)
		}
	}
}

// The function: 0 calls something and tests what it returned: 1 goes on, 3 is the way
// out, 1 makes -22 in 2 or ends by 4.
var function = Graph{Blocks: []Block{
	{Seen: true, Succ: []int{1, 3}, Branch: true, Tests: true, Width: 4},
	{Seen: true, Succ: []int{2, 4}, Branch: true, Width: 8},
	{Seen: true, Succ: []int{3}, Makes: []int64{-22}},
	{Seen: true, Ends: true},
	{Seen: true, Succ: []int{3}},
}}

func ran(result int64, words []uint64, blocks ...int) *Call {
	c := &Call{Result: uint64(result)}
	for i, b := range blocks {
		c.Visits = append(c.Visits, Visit{Block: b})
		if i < len(words) {
			c.Visits[i].Word = words[i]
		}
	}
	return c
}

// Two calls failed with one error: the second was given what the first had returned,
// unless another was called in between.
func TestAnErrorThatIsHandedOnIsTheFirstCalls(t *testing.T) {
	for _, test := range []struct {
		between bool
		want    int
	}{{false, 0}, {true, 2}} {
		g := Graph{Blocks: []Block{
			{Succ: []int{1, 3}, Branch: true, Calls: true},
			{Succ: []int{2}, Calls: test.between},
			{Succ: []int{0, 3}, Branch: true, Calls: true},
			{Ends: true},
		}}
		c := ran(-2, nil, 0, 1, 2, 3)
		for _, i := range []int{0, 2} {
			c.Visits[i].Inner = []*Call{{Func: 1, Result: c.Result}}
		}
		if d, ok := g.Decide(c, nil); !ok || d.From != test.want {
			t.Errorf("another in between: %v: by visit %d, want %d", test.between, d.From, test.want)
		}
	}
}

func TestTheBranchThatDecided(t *testing.T) {
	var others Profile
	others.Add(ran(0, nil, 0, 1, 4, 3))
	twice := Profile{}
	twice.Add(ran(0, nil, 0, 1, 4, 3))
	twice.Add(ran(0, nil, 0, 3))
	for _, test := range []struct {
		name   string
		call   *Call
		others *Profile
		want   Decision
	}{
		{"what a call returned", ran(-2, []uint64{0, 0xfffffffe}, 0, 3), nil, Decision{Visit: 0, Next: 1, Returned: true}},
		{"beside others", ran(-2, []uint64{0, 0xfffffffe}, 0, 3), &others, Decision{Visit: 0, Next: 1, Returned: true, Apart: true}},
		{"where the error is made", ran(-22, nil, 0, 1, 2, 3), nil, Decision{Visit: 1, Next: 2}},
		{"where it left the others", ran(1, nil, 0, 1, 2, 3), &others, Decision{Visit: 1, Next: 2, Apart: true}},
		{"no other error of that number", ran(-13, nil, 0, 1, 4, 3), nil, Decision{Visit: 1, Next: 2}},
	} {
		got, ok := function.Decide(test.call, test.others)
		if diff := cmp.Diff(test.want, got); !ok || diff != "" {
			t.Errorf("%s: found %v: %s", test.name, ok, diff)
		}
	}
	if got, ok := function.Decide(ran(1, nil, 0, 3), &twice); ok {
		t.Errorf("others went both ways, and yet %+v decided", got)
	}
}
