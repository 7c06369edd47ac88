package render

import (
	"fmt"
	"html"
	"strings"

	"ktrap"
)

// AppendCompiled appends f's programs as listings: each run of instructions below
// the line of source that caused it.
//
//	pre send at tcp_sendmsg, by fentry: 133 slots
//	   15 | 	if size > 1000 {
//	         24  if r8 <= 1000 goto 96
func (p Palette) AppendCompiled(dst []byte, f *ktrap.CompiledFile) []byte {
	source := strings.Split(string(f.Source), "\n")
	for i, h := range f.Handlers {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = fmt.Appendf(dst, "%s%s %s%s", p.place, h.Kind, h.Name, p.reset)
		if h.Place != "" {
			dst = fmt.Appendf(dst, " at %s", h.Place)
		}
		dst = fmt.Appendf(dst, ", by %s: %d slots\n", h.Mechanism, h.Slots)
		above := -1
		for _, in := range h.Instructions {
			if in.Line != above {
				dst = appendSource(dst, source, in.Line)
				above = in.Line
			}
			dst = fmt.Appendf(dst, "%12d  %s\n", in.Slot, in.Text)
		}
	}
	return dst
}

func appendSource(dst []byte, source []string, line int) []byte {
	if line < 1 || line > len(source) {
		return append(dst, "      | counting, and the way out\n"...)
	}
	return fmt.Appendf(dst, "%5d | %s\n", line, source[line-1])
}

// AppendPhases appends one HTML page with what every pass of the compiler left of
// every handler, side by side.
func AppendPhases(dst []byte, f *ktrap.CompiledFile) []byte {
	dst = fmt.Appendf(dst, `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>%s</title>
<style>body{font:13px sans-serif}div{display:flex;gap:1em;overflow-x:auto}section{flex:none}pre{background:#f4f4f4;padding:.5em}h3{margin:.2em}</style>
<h1>%[1]s</h1>
`, html.EscapeString(f.Name))
	for _, h := range f.Handlers {
		dst = fmt.Appendf(dst, "<h2>%s %s %s</h2>\n<div>\n", html.EscapeString(h.Kind), html.EscapeString(h.Name), html.EscapeString(h.Place))
		dst = appendPhase(dst, "source", string(f.Source))
		for _, p := range h.Phases {
			dst = appendPhase(dst, p.Name, p.Text)
		}
		var listing strings.Builder
		for _, in := range h.Instructions {
			fmt.Fprintf(&listing, "%5d %4d  %s\n", in.Line, in.Slot, in.Text)
		}
		dst = append(appendPhase(dst, "program", listing.String()), "</div>\n"...)
	}
	return append(dst, "</html>\n"...)
}

func appendPhase(dst []byte, name, text string) []byte {
	return fmt.Appendf(dst, "<section><h3>%s</h3><pre>%s</pre></section>\n", html.EscapeString(name), html.EscapeString(text))
}
