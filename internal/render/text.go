// Package render turns events and summaries into bytes: a line of text for
// people, a JSON object for programs. It writes nothing itself and asks nothing
// of the kernel.
package render

import (
	"fmt"
	"strconv"

	"ktrap"
	"ktrap/internal/value"
)

// Palette are the escapes that colour a line's parts; the zero Palette colours
// nothing.
type Palette struct{ place, name, warning, reset string }

// Colours is the Palette of a terminal.
var Colours = Palette{place: "\x1b[1;36m", name: "\x1b[2m", warning: "\x1b[1;31m", reset: "\x1b[0m"}

// AppendText appends ev as a line, and a line more for every stack frame.
//
//	15:04:05.000000000 1 812/812 comm place(name=value, name=value) = retval
//
// What a handler file sends has its values behind the place; what it prints
// stands alone.
func (p Palette) AppendText(dst []byte, ev *ktrap.Event) []byte {
	if ev.Lost > 0 {
		dst = fmt.Appendf(dst, "%s… %d hits of %s on CPU %d were lost here: the buffer was full%s\n",
			p.warning, ev.Lost, ev.Place, ev.CPU, p.reset)
	}
	if text, ok := ev.Printed(); ok {
		return append(append(dst, text...), '\n')
	}
	dst = ev.Time.AppendFormat(dst, "15:04:05.000000000 ")
	dst = append(appendInt(dst, ev.CPU), ' ')
	dst = append(appendInt(dst, ev.PID), '/')
	dst = append(appendInt(dst, ev.TID), ' ')
	dst = append(appendComm(dst, ev.Comm), ' ')
	dst = append(append(append(dst, p.place...), ev.Place...), p.reset...)
	if sent := ev.Emitted(); sent != nil {
		return append(p.values(append(dst, ' '), sent, " "), '\n')
	}
	effect := ev.Effect()
	if args := ev.Args(); effect == nil || len(args) > 0 {
		dst = append(p.values(append(dst, '('), args, ", "), ')')
	}
	if effect != nil {
		dst = p.shown(p.effect(dst, effect), ev)
		return p.stack(append(dst, '\n'), ev)
	}
	if ret, ok := ev.Retval(); ok {
		ret.Name = ""
		dst = ret.AppendText(append(dst, " = "...))
	}
	if show := ev.Show(); len(show) > 0 {
		dst = p.values(append(dst, ' '), show, " ")
	}
	dst = p.regs(dst, ev.Regs())
	return p.stack(append(dst, '\n'), ev)
}

func (p Palette) stack(dst []byte, ev *ktrap.Event) []byte {
	for _, f := range ev.Stack() {
		dst = append(appendFrame(append(dst, "    "...), f), '\n')
	}
	return dst
}

// appendComm appends a thread's name. Threads name themselves: what could break
// the line or steer the terminal is quoted.
func appendComm(dst []byte, comm string) []byte {
	for _, c := range []byte(comm) {
		if c < ' ' || c > '~' {
			return value.AppendTextString(dst, comm)
		}
	}
	return append(dst, comm...)
}

func (p Palette) values(dst []byte, values []ktrap.Value, between string) []byte {
	for i, v := range values {
		if i > 0 {
			dst = append(dst, between...)
		}
		if v.Name != "" { // a value that was made where it was sent has none
			dst = append(append(append(append(dst, p.name...), v.Name...), '='), p.reset...)
		}
		v.Name = ""
		dst = v.AppendText(dst)
	}
	return dst
}

func (p Palette) regs(dst []byte, regs []ktrap.Register) []byte {
	for _, r := range regs {
		dst = append(append(append(dst, ' '), p.name...), r.Name...)
		dst = append(append(dst, '='), p.reset...)
		dst = strconv.AppendUint(append(dst, "0x"...), r.Value, 16)
	}
	return dst
}

func appendFrame(dst []byte, f ktrap.Frame) []byte {
	if f.Symbol == "" {
		return strconv.AppendUint(append(dst, "0x"...), f.Addr, 16)
	}
	dst = append(append(dst, f.Symbol...), "+0x"...)
	dst = strconv.AppendUint(dst, f.Offset, 16)
	if f.Module != "" {
		dst = append(append(append(dst, " ["...), f.Module...), ']')
	}
	return dst
}
