package html

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"ktrap"
	"ktrap/internal/stacks"
)

func stackSamples() []ktrap.StackSample {
	frames := func(names ...string) (all []stacks.Frame) {
		for _, n := range names {
			all = append(all, stacks.Frame{Name: n})
		}
		return all
	}
	return []ktrap.StackSample{
		{Frames: frames("vfs_read", "ksys_read+0x10", "do_syscall_64+0x20"), Count: 60},
		{Frames: frames("vfs_read", "kernel_read+0x10", "do_execve"), Count: 30},
		{Frames: frames("vfs_read", "</script><script>window.hacked=1</script>"), Count: 10},
	}
}

func TestAFlameGraphZoomsAndSearchesInABrowser(t *testing.T) {
	var page strings.Builder
	if err := WriteFlame(&page, "vfs_read", stackSamples()); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t, page.String(), "#flame button")
	const drawn = `document.querySelectorAll("#flame button").length`
	const wide = `Math.round([...document.querySelectorAll("#flame button")].find(b => b.node.n === "ksys_read").offsetWidth / flame.clientWidth * 100)`
	expect(t, ctx, `typeof window.hacked`, "undefined")
	expect(t, ctx, drawn, 9)
	expect(t, ctx, wide, 60)

	do(t, ctx, chromedp.SendKeys(css("#search"), "kernel_"))
	expect(t, ctx, `found.value`, "30.0% of hits")
	expect(t, ctx, `document.querySelectorAll("button.hit").length`, 1)

	do(t, ctx, chromedp.Click(css(`#flame button[aria-label^="do_syscall_64"]`)))
	expect(t, ctx, wide, 100)
	expect(t, ctx, drawn, 4)
	do(t, ctx, chromedp.KeyEvent(kb.Escape))
	expect(t, ctx, drawn, 9)
	screenshot(t, ctx)
}
