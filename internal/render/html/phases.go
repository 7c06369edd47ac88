package html

import (
	_ "embed"
	"io"
	"strings"

	"ktrap"
)

//go:embed phases.css
var phasesStyle string

//go:embed phases.js
var phasesScript string

// WritePhases writes what every pass of the compiler left of a file's handlers as
// a page: the file, the pass that is looked at, and the program side by side; what
// one line of Go became lights up in all three.
func WritePhases(w io.Writer, f *ktrap.CompiledFile) error {
	return write(w, f.Name+" · phases", phasesStyle, phasesScript, func(m *markup) { phasesBody(m, f) })
}

func phasesBody(m *markup, f *ktrap.CompiledFile) {
	m.put("<header><h1>%</h1><nav class=\"handlers\">", f.Name)
	for i := range f.Handlers {
		h := &f.Handlers[i]
		m.put(`<button type="button" data-handler="%" aria-pressed="false">% % <small>% · %</small></button>`, i, h.Kind, h.Name, h.Mechanism, word(h.Slots, "slot"))
	}
	m.WriteString("</nav></header>\n<main>\n<section class=\"pane\" aria-label=\"Source\"><h2>source</h2><div class=\"text\">\n")
	for i, text := range strings.Split(strings.TrimSuffix(string(f.Source), "\n"), "\n") {
		codeLine(m, "", i+1, i+1, text)
	}
	m.WriteString("</div></section>\n")
	for i := range f.Handlers {
		handlerPanes(m, i, &f.Handlers[i])
	}
	m.WriteString("</main>\n<footer><p>Point at a line to see what it became; click to keep it lit. <kbd>←</kbd> <kbd>→</kbd> walk through the passes; <b class=\"new\">marked</b> lines are new in a pass.</p></footer>")
}

func handlerPanes(m *markup, id int, h *ktrap.CompiledHandler) {
	m.put("<section class=\"pane passes\" data-of=\"%\" aria-label=\"Passes\"><h2 role=\"tablist\">", id)
	for i, p := range h.Phases {
		m.put(`<button type="button" role="tab" data-pass="%" aria-selected="false">% <small>%</small></button>`, i, p.Name, len(p.Lines))
	}
	m.WriteString("</h2>\n")
	var before map[string]int
	for i, p := range h.Phases {
		m.put("<div class=\"text\" data-pass=\"%\">\n", i)
		for n, l := range p.Lines {
			codeLine(m, novelty(before, l.Text), l.Line, n+1, l.Text)
		}
		m.WriteString("</div>\n")
		before = counted(p.Lines)
	}
	m.put("</section>\n<section class=\"pane\" data-of=\"%\" aria-label=\"Program\"><h2>program</h2><div class=\"text\">\n", id)
	for _, in := range h.Instructions {
		codeLine(m, "", in.Line, in.Slot, in.Text)
	}
	m.WriteString("</div></section>\n")
}

func codeLine(m *markup, class string, line, number int, text string) {
	m.put("<p class=\"%\" data-line=\"%\"><i>%</i><code>%</code></p>\n", class, line, number, strings.ReplaceAll(text, "\t", "    "))
}

func counted(lines []ktrap.PhaseLine) map[string]int {
	n := make(map[string]int, len(lines))
	for _, l := range lines {
		n[l.Text]++
	}
	return n
}

// novelty marks a line that the pass before has not left, or less often. It takes
// the line out of before.
func novelty(before map[string]int, text string) string {
	if before == nil {
		return ""
	}
	if before[text]--; before[text] < 0 {
		return "new"
	}
	return ""
}
