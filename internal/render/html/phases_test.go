package html

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"ktrap"
)

func compiledSample() *ktrap.CompiledFile {
	return &ktrap.CompiledFile{
		Name:   "a<b>.go",
		Source: []byte("package trap\n\nfunc pre() {\n\temit(\"</script>\")\n}\n"),
		Handlers: []ktrap.CompiledHandler{{
			Name: "pre", Kind: "pre", Mechanism: "kprobe", Slots: 3,
			Instructions: []ktrap.CompiledInstruction{{Slot: 0, Text: "r6 = r1"}, {Slot: 1, Text: "r1 = 4", Line: 4}, {Slot: 2, Text: "exit"}},
			Phases: []ktrap.Phase{
				{Name: "checked", Lines: []ktrap.PhaseLine{{Text: "b0:", Line: 0}, {Text: "\tv1 = mov 4", Line: 4}, {Text: "\tv2 = mov 4", Line: 4}}},
				{Name: "values", Lines: []ktrap.PhaseLine{{Text: "b0:", Line: 0}, {Text: "\tv1 = mov 4", Line: 4}, {Text: "\tv2 = v1", Line: 4}}},
			},
		}},
	}
}

func TestWhatIsNewInAPassIsMarked(t *testing.T) {
	var page strings.Builder
	if err := WritePhases(&page, compiledSample()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(page.String(), `<p class="new"`); got != 1 {
		t.Errorf("%d lines are marked, want the one that changed", got)
	}
	if strings.Contains(page.String(), "a<b>") || strings.Count(page.String(), "</script>") != 1 {
		t.Error("a name or a text of the file is not escaped")
	}
}

func TestThePassesOfACompilationAreWalkedThroughInABrowser(t *testing.T) {
	var page strings.Builder
	if err := WritePhases(&page, compiledSample()); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t, page.String(), ".passes.shown .text.shown")
	const shown = `document.querySelector(".passes.shown .text.shown").dataset.pass`
	expect(t, ctx, shown, "0")
	do(t, ctx, chromedp.KeyEvent(kb.ArrowRight))
	expect(t, ctx, shown, "1")
	do(t, ctx, chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowLeft))
	expect(t, ctx, shown, "0")
	do(t, ctx, chromedp.Click(css(`.pane:first-child p[data-line="4"]`)))
	expect(t, ctx, `[...document.querySelectorAll("p.kept")].filter(p => p.offsetParent).length`, 4)
	screenshot(t, ctx)
}
