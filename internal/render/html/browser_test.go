package html

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// browser opens a page in Chromium and waits until something in it is to be seen.
// What the page asks of the network, and each complaint in its console, fails the
// test.
func browser(t *testing.T, page string, seen css) context.Context {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs chromium: to look at the page")
	}
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium),
		chromedp.NoSandbox, chromedp.WindowSize(1500, 950))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	listener, complaints := watch("file://" + path)
	ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(listener))
	t.Cleanup(cancel)
	t.Cleanup(func() {
		for _, c := range complaints() {
			t.Error(c)
		}
	})
	do(t, ctx) // starts it
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Navigate("file://"+path), chromedp.WaitVisible(seen))
	return ctx
}

type css = chromedp.CSS

// watch collects what a page must not do.
func watch(page string) (listener func(event any), complaints func() []string) {
	var mu sync.Mutex
	var all []string
	add := func(words ...string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, strings.Join(words, " "))
	}
	listener = func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if e.Request.URL != page {
				add("the page asks for", e.Request.URL)
			}
		case *runtime.EventExceptionThrown:
			add("exception:", e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			add("console:", string(e.Type))
		case *log.EventEntryAdded:
			add("log:", e.Entry.Text)
		}
	}
	return listener, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// ask evaluates an expression in the page.
func ask[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	answer, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return answer
}

func expect[T comparable](t *testing.T, ctx context.Context, expression string, want T) {
	t.Helper()
	if got := ask[T](t, ctx, expression); got != want {
		t.Errorf("%s: got %v, want %v", expression, got, want)
	}
}

const lit = `document.querySelector(".row.here").id`

func TestAFunctionCanBeLookedAtInABrowser(t *testing.T) {
	ctx := browser(t, pageOf(t, sample()), "#listing")
	expect(t, ctx, `[...document.querySelectorAll(".graph.shown .box")].filter(b => b.getBoundingClientRect().width > 20).length`, 4)
	expect(t, ctx, `document.querySelectorAll(".graph.shown .e.back").length > 0`, true)
	expect(t, ctx, `typeof window.hacked`, "undefined")

	ask[bool](t, ctx, `document.querySelector("#i5").dispatchEvent(new MouseEvent("mouseover", {bubbles: true}))`)
	expect(t, ctx, `document.querySelector("#detail-bar").textContent.includes("because of 5 </script>")`, true)
	expect(t, ctx, `document.querySelector(".box.here").dataset.block`, "1")

	do(t, ctx, chromedp.Click(css("#i3 a.to")))
	expect(t, ctx, lit, "i9")
	do(t, ctx, chromedp.KeyEvent(kb.Backspace))
	expect(t, ctx, lit, "i3")
	do(t, ctx, chromedp.KeyEvent("j"), chromedp.KeyEvent("n"))
	expect(t, ctx, lit, "i8")
	do(t, ctx, chromedp.Click(css(`.graph.shown .box[data-block="3"] .frame`)))
	expect(t, ctx, lit, "i9")

	do(t, ctx, chromedp.KeyEvent("/"))
	expect(t, ctx, `document.activeElement.id`, "search")
	// The driver sends the letter of a key whose default the page prevents, too.
	ask[string](t, ctx, `document.querySelector("#search").value = ""`)
	do(t, ctx, chromedp.SendKeys(css("#search"), "%rdi"))
	expect(t, ctx, `document.querySelector("#found").value`, "2 found")
	expect(t, ctx, lit, "i2")

	do(t, ctx, chromedp.Click(css(`.key[data-mark="no"]`)))
	expect(t, ctx, `document.querySelectorAll(".row:not(.out)").length`, 1)
	do(t, ctx, chromedp.Click(css("#detail")))
	expect(t, ctx, `document.querySelector(".graph.shown").dataset.graph`, "code")
	do(t, ctx, chromedp.Click(css("#hide")))
	expect(t, ctx, `document.querySelector("#canvas").getBoundingClientRect().width`, 0.0)
	screenshot(t, ctx)
}

func TestAFunctionOfFiveThousandInstructionsDoesNotFreezeTheBrowser(t *testing.T) {
	ctx := browser(t, pageOf(t, huge(1000)), "#listing")
	expect(t, ctx, `document.querySelectorAll(".row").length`, 5000)
	expect(t, ctx, `document.querySelectorAll(".graph.shown .box").length`, 1000)
	walk := ask[float64](t, ctx, `(() => {
		const start = performance.now();
		for (let i = 0; i < 20; i++) document.dispatchEvent(new KeyboardEvent("keydown", {key: "n", bubbles: true}));
		return (performance.now() - start) / 20;
	})()`)
	load := ask[float64](t, ctx, `performance.timing.loadEventEnd - performance.timing.navigationStart`)
	t.Logf("loaded in %.0f ms, a step takes %.1f ms", load, walk)
	if walk > 1000 {
		t.Errorf("a step takes %.0f ms", walk)
	}
	screenshot(t, ctx)
}

// screenshot keeps a picture for who wants to look: KTRAP_SCREENSHOTS=DIR.
func screenshot(t *testing.T, ctx context.Context) {
	dir := os.Getenv("KTRAP_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, t.Name()+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
