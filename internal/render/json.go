package render

import (
	"strconv"

	"ktrap"
	"ktrap/internal/value"
)

// AppendJSON appends ev as one JSON object, without a newline. Addresses are
// strings in hexadecimal; integers are numbers where they fit 2^53.
func AppendJSON(dst []byte, ev *ktrap.Event) []byte {
	dst = append(dst, `{"time":"`...)
	dst = ev.Time.AppendFormat(dst, rfc3339)
	dst = appendInt(append(dst, `","cpu":`...), ev.CPU)
	dst = appendInt(append(dst, `,"pid":`...), ev.PID)
	dst = appendInt(append(dst, `,"tid":`...), ev.TID)
	dst = value.AppendJSONString(append(dst, `,"comm":`...), ev.Comm)
	dst = value.AppendJSONString(append(dst, `,"probe":`...), ev.Place)
	dst = appendAddr(append(dst, `,"addr":`...), ev.Addr)
	dst = append(dst, `,"kind":"`...)
	dst = append(dst, ev.Kind...)
	dst = append(dst, '"')
	if args := ev.Args(); len(args) > 0 {
		dst = appendValues(append(dst, `,"args":`...), args)
	}
	if ret, ok := ev.Retval(); ok {
		dst = ret.AppendJSON(append(dst, `,"retval":`...))
	}
	if effect := ev.Effect(); effect != nil {
		dst = appendEffect(append(dst, `,"effect":`...), effect)
	} else if regs := ev.Regs(); regs != nil {
		dst = appendRegs(append(dst, `,"regs":`...), regs)
	}
	if show := ev.Show(); len(show) > 0 {
		dst = appendValues(append(dst, `,"show":`...), show)
	}
	if after := ev.ShowAfter(); len(after) > 0 {
		dst = appendValues(append(dst, `,"show_after":`...), after)
	}
	if text, ok := ev.Printed(); ok {
		dst = value.AppendJSONString(append(dst, `,"printed":`...), text)
	}
	if sent := ev.Emitted(); len(sent) > 0 {
		dst = appendNamed(append(dst, `,"emitted":`...), sent)
	}
	if stack := ev.Stack(); len(stack) > 0 {
		dst = appendStack(append(dst, `,"stack":`...), stack)
	}
	if ev.Lost > 0 {
		dst = strconv.AppendUint(append(dst, `,"lost_before":`...), ev.Lost, 10)
	}
	return append(dst, '}')
}

// rfc3339 has all nine digits, so that lines sort as their times do.
const rfc3339 = "2006-01-02T15:04:05.000000000Z07:00"

func appendInt(dst []byte, n int) []byte { return strconv.AppendInt(dst, int64(n), 10) }

func appendAddr(dst []byte, addr uint64) []byte {
	dst = append(dst, `"0x`...)
	return append(strconv.AppendUint(dst, addr, 16), '"')
}

func appendValues(dst []byte, values []ktrap.Value) []byte {
	for i, v := range values {
		dst = append(dst, separator(i))
		dst = append(value.AppendJSONString(dst, v.Name), ':')
		dst = v.AppendJSON(dst)
	}
	return append(dst, '}')
}

// appendNamed is an array: names may occur twice.
func appendNamed(dst []byte, values []ktrap.Value) []byte {
	for i, v := range values {
		dst = append(dst, "[,"[min(i, 1)])
		dst = value.AppendJSONString(append(dst, `{"name":`...), v.Name)
		dst = v.AppendJSON(append(dst, `,"value":`...))
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendRegs(dst []byte, regs []ktrap.Register) []byte {
	for i, r := range regs {
		dst = append(dst, separator(i))
		dst = append(value.AppendJSONString(dst, r.Name), ':')
		dst = appendAddr(dst, r.Value)
	}
	return append(dst, '}')
}

// separator is what stands before an object's member i.
func separator(i int) byte {
	if i == 0 {
		return '{'
	}
	return ','
}

func appendStack(dst []byte, stack []ktrap.Frame) []byte {
	dst = append(dst, '[')
	for i, f := range stack {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendAddr(append(dst, `{"addr":`...), f.Addr)
		if f.Symbol != "" {
			dst = value.AppendJSONString(append(dst, `,"symbol":`...), f.Symbol)
			dst = strconv.AppendUint(append(dst, `,"offset":`...), f.Offset, 10)
		}
		if f.Module != "" {
			dst = value.AppendJSONString(append(dst, `,"module":`...), f.Module)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
