package render

import (
	"encoding/json"
	"fmt"

	"ktrap"
)

// effect appends what an instruction did: the instruction, and what changed.
//
//	and $0x1,%r13d  r13 0x44a801d→0x1 -PF
//	mov %rax,0x58(%rsp)  0x58(%rsp) 0x0→0x1
//	call 0xffffffff81434d59 <fget>  sp-0x8 → fget
func (p Palette) effect(dst []byte, e *ktrap.Effect) []byte {
	dst = fmt.Appendf(dst, "  %s  ", e.Instruction)
	start := len(dst)
	for _, c := range e.Changed {
		dst = append(p.change(dst, c), ' ')
	}
	for _, flag := range e.Set {
		dst = fmt.Appendf(dst, "+%s ", flag)
	}
	for _, flag := range e.Cleared {
		dst = fmt.Appendf(dst, "-%s ", flag)
	}
	for _, m := range e.Memory {
		dst = append(p.operand(dst, m), ' ')
	}
	if e.Leaps {
		dst = fmt.Appendf(dst, "%s→ %s%s ", p.place, named(e.Next, e.NextName), p.reset)
	}
	if len(dst) == start {
		return append(dst, "nothing changed"...)
	}
	return dst[:len(dst)-1]
}

// shown appends what Show named, before and after.
func (p Palette) shown(dst []byte, ev *ktrap.Event) []byte {
	was, now := ev.Show(), ev.ShowAfter()
	for i, v := range was {
		dst = p.values(append(dst, ' '), was[i:i+1], "")
		if i >= len(now) {
			continue
		}
		v.Name, now[i].Name = "", ""
		if before, after := v.String(), now[i].String(); before == after {
			dst = append(dst, " still"...)
		} else {
			dst = append(append(dst, "→"...), after...)
		}
	}
	return dst
}

func (p Palette) change(dst []byte, c ktrap.Change) []byte {
	dst = fmt.Appendf(dst, "%s%s%s", p.name, c.Name, p.reset)
	if delta := int64(c.Now - c.Was); c.Name == "sp" && delta < near && delta > -near {
		if delta < 0 {
			return fmt.Appendf(dst, "-%#x", -delta)
		}
		return fmt.Appendf(dst, "+%#x", delta)
	}
	return fmt.Appendf(dst, " %s→%s", withName(c.Was, c.WasName), withName(c.Now, c.NowName))
}

// near is how far a stack pointer moves to be told by how far.
const near = 1 << 16

func (p Palette) operand(dst []byte, m ktrap.MemoryChange) []byte {
	dst = fmt.Appendf(dst, "%s%s%s ", p.name, m.Name, p.reset)
	switch {
	case m.Was == nil:
		return append(dst, "unreadable"...)
	case m.Now == nil:
		return append(dst, withName(*m.Was, m.WasName)...)
	case *m.Was == *m.Now:
		return append(append(dst, withName(*m.Was, m.WasName)...), " still"...)
	}
	return fmt.Appendf(dst, "%s→%s", withName(*m.Was, m.WasName), withName(*m.Now, m.NowName))
}

// named is an address by its name, if it has one.
func named(addr ktrap.Address, name string) string {
	if name != "" {
		return name
	}
	return addr.String()
}

// withName is a value, and what is there if it is an address.
func withName(value ktrap.Address, name string) string {
	if name == "" {
		return value.String()
	}
	return fmt.Sprintf("%s<%s>", value, name)
}

func appendEffect(dst []byte, e *ktrap.Effect) []byte {
	text, err := json.Marshal(e)
	if err != nil {
		panic("ktrap bug: " + err.Error()) // plain data always marshals
	}
	return append(dst, text...)
}
