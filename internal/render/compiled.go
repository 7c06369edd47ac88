package render

import (
	"fmt"
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
