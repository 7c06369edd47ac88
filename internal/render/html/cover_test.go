package html

import (
	"strings"
	"testing"

	"ktrap"
)

// covered is the sample with a loop that ran and an early way out that did not.
func covered() *ktrap.Coverage {
	d := sample()
	n := func(n uint64) ktrap.Count { return ktrap.Count{N: n, Known: true} }
	return &ktrap.Coverage{Code: d, Calls: n(1000), MissesKnown: true, Missed: 3, Blocks: []ktrap.Covered{
		{Ran: n(1000), Edges: []ktrap.Count{n(0), n(1000)}},
		{Ran: n(23456), Edges: []ktrap.Count{n(22456), n(1000)}},
		{Ran: ktrap.Count{}, Edges: []ktrap.Count{{}}, Why: "is a BUG " + hostile},
		{Ran: n(0), Edges: []ktrap.Count{n(0)}, Off: -2},
	}}
}

func coveragePage(t *testing.T, all ...*ktrap.Coverage) string {
	t.Helper()
	var page strings.Builder
	if err := WriteCoverage(&page, all); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

func TestAPageOfCoverageTellsOfEachBlockAndEdge(t *testing.T) {
	page := coveragePage(t, covered())
	for _, want := range []string{
		">1,000× · 100%<", ">23,456× · 2346%<", ">never<", ">not known<", ">taken → +0x24: never<", ">not-taken → +0x10: 1,000× · 100%<", ">+0x24</a>", "ktrap trace &#39;unix_sample+0x4&#39;",
		"2 of 4 blocks", "3 hits missed", "off by -2", `class="e taken never"`, `class="box loop1 ran ran5"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if strings.Contains(page, "<img src=x") {
		t.Error("a hostile name is not escaped")
	}
	if err := WriteCoverage(new(strings.Builder), nil); err == nil {
		t.Error("a page of nothing is no error")
	}
}

func TestCoverageCanBeLookedAtInABrowser(t *testing.T) {
	ctx := browser(t, coveragePage(t, covered(), covered()), "#listing")
	expect(t, ctx, `[...document.querySelectorAll(".graph.shown .box")].filter(b => b.getBoundingClientRect().width > 20).length`, 8)
	expect(t, ctx, `document.querySelectorAll(".row").length`, 22)
	expect(t, ctx, `[...new Set([...document.querySelectorAll("[id]")].map(e => e.id))].length === document.querySelectorAll("[id]").length`, true)
	expect(t, ctx, `getComputedStyle(document.querySelector('.box[data-block="3"]')).opacity < 0.5`, true)
	frame := func(box string) string {
		return ask[string](t, ctx, `getComputedStyle(document.querySelector('.box[data-block="`+box+`"] .frame')).fill`)
	}
	if cold, hot := frame("3"), frame("1"); cold == hot {
		t.Errorf("a block that ran and one that never did are both %s", hot)
	}
	expect(t, ctx, `typeof window.hacked`, "undefined")
	screenshot(t, ctx)
}
