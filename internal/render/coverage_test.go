package render

import (
	"strings"
	"testing"

	"ktrap"
)

// twoWays is a function that returns early, or not.
func twoWays() *ktrap.Coverage {
	n := func(n uint64) ktrap.Count { return ktrap.Count{N: n, Known: true} }
	c := &ktrap.Coverage{Code: &ktrap.Disassembly{Place: "f", Symbol: "f"}, Calls: n(7), Ended: n(6), MissesKnown: true, Threads: 10}
	for i, text := range []string{"test %edi,%edi", "je 0xffffffff81000006 <f+0x6>", "dec %edi", "ret"} {
		c.Code.Lines = append(c.Code.Lines, ktrap.Line{Offset: uint64(2 * i), Text: text})
	}
	c.Code.Lines[1].Target = "f+0x6"
	c.Code.Blocks = []ktrap.Block{
		{Start: 0, End: 2, Succ: []ktrap.Edge{{Kind: "taken", To: 2}, {Kind: "not-taken", To: 1}}},
		{Start: 2, End: 3, Succ: []ktrap.Edge{{Kind: "next", To: 2}}},
		{Start: 3, End: 4, Succ: []ktrap.Edge{{Kind: "return", To: -1}}},
	}
	c.Blocks = []ktrap.Covered{
		{Ran: n(7), At: 1, Edges: []ktrap.Count{n(7), n(0)}},
		{Ran: n(0), Why: "is a BUG or WARN site", Edges: []ktrap.Count{n(0)}},
		{Ran: n(6), At: 3, Edges: []ktrap.Count{n(6)}, Off: 1},
	}
	return c
}

func TestCoverageStandsAtBlocksAndBranches(t *testing.T) {
	c := twoWays()
	want := []string{
		"f: 7 calls, 6 ended; 2 of 3 blocks ran, 2 of 4 edges were taken",
		"what enters a block and what leaves it differs by up to 1: calls under way at the beginning or the end, and missed hits, can make that",
		"         7   100%  +0x0     test %edi,%edi",
		"                   +0x2     je +0x6  # taken 7, else 0",
		"         0         +0x4     dec %edi  # not counted: is a BUG or WARN site",
		"         6  85.7%  +0x6     ret  # its edges are +1 off",
	}
	if got := lines(c); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	c.Blocks[2].Off = 1000
	if got := lines(c)[1]; !strings.Contains(got, "which neither 10 threads' calls under way nor missed hits can make") {
		t.Errorf("off by 1000: %s", got)
	}
}

func TestCoverageOnceTellsOnlyWhetherSomethingRan(t *testing.T) {
	c := twoWays()
	c.Once, c.Blocks[2].Off = true, 0
	got := lines(c)
	for i, want := range []string{"f: 2 of 3 blocks ran", "       ran  ", "je +0x6  # taken ran, else never", "     never  "} {
		if !strings.Contains(got[i], want) {
			t.Errorf("line %d is %q, want %q in it", i, got[i], want)
		}
	}
}

func lines(c *ktrap.Coverage) []string {
	return strings.Split(strings.TrimSuffix(string(Palette{}.AppendCoverage(nil, c)), "\n"), "\n")
}
