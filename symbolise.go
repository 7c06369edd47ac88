package ktrap

import (
	"fmt"
	"strings"
)

// symbolise makes names of the addresses that a format wants by the kernel's verbs
// %pS, %pB and %ps, and of these verbs %s.
func (k *Kernel) symbolise(format string, args []any) string {
	var out strings.Builder
	for n := 0; ; n++ {
		before, rest, found := strings.Cut(format, "%")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		flags := len(rest) - len(strings.TrimLeft(rest, "+-# 0123456789."))
		out.WriteString("%" + rest[:flags])
		rest = rest[flags:]
		switch verb := rest[:min(2, len(rest))]; {
		case verb == "pS" || verb == "pB" || verb == "ps":
			if n < len(args) {
				args[n] = k.pointer(verb, args[n])
			}
			out.WriteByte('s')
			rest = rest[2:]
		case strings.HasPrefix(rest, "%"):
			n--
			fallthrough
		case rest != "":
			out.WriteByte(rest[0])
			rest = rest[1:]
		}
		format = rest
	}
}

// pointer is an address in the kernel's words: a name, for all but %ps with offset
// and size. %pB takes it for one that is returned to: a call that never returns may be
// its function's end.
func (k *Kernel) pointer(verb string, arg any) any {
	addr, ok := arg.(uint64)
	if !ok {
		return arg
	}
	back := uint64(0)
	if verb == "pB" {
		back = 1
	}
	sym, offset, ok := k.symbols.At(addr - back)
	if !ok {
		return fmt.Sprintf("%#x", addr)
	}
	text := sym.Name
	if verb != "ps" {
		text += fmt.Sprintf("+%#x/%#x", offset+back, sym.Size)
	}
	if sym.Module != "" {
		text += " [" + sym.Module + "]"
	}
	return text
}
