package ktrap

import (
	"ktrap/internal/outcome"
)

// Effect is what one execution of an instruction did: only what changed.
type Effect struct {
	Instruction string         `json:"instruction"`
	Changed     []Change       `json:"changed,omitempty"` // registers, but ip and flags
	Set         []string       `json:"set,omitempty"`     // flags, by name
	Cleared     []string       `json:"cleared,omitempty"`
	Memory      []MemoryChange `json:"memory,omitempty"`
	Next        Address        `json:"next"` // where it leads
	NextName    string         `json:"next_name,omitempty"`
	Leaps       bool           `json:"leaps,omitempty"` // that is not the instruction behind it
}

// Change is a register that an instruction changed. Names are those of what is at
// an address of the kernel's text or data.
type Change struct {
	Name    string  `json:"name"`
	Was     Address `json:"was"`
	Now     Address `json:"now"`
	WasName string  `json:"was_name,omitempty"`
	NowName string  `json:"now_name,omitempty"`
}

// MemoryChange is an operand in memory. Now is what stands there after an
// instruction that may write it; nil for another.
type MemoryChange struct {
	Name     string   `json:"name"` // as the instruction has it
	Addr     Address  `json:"addr"`
	AddrName string   `json:"addr_name,omitempty"`
	Size     int      `json:"size"`
	Was      *Address `json:"was"` // null if it could not be read
	WasName  string   `json:"was_name,omitempty"`
	Now      *Address `json:"now,omitempty"`
	NowName  string   `json:"now_name,omitempty"`
}

// Effect returns what the instruction of a post event did; nil for others.
func (e *Event) Effect() *Effect {
	t := e.transition
	if t == nil {
		return nil
	}
	r := e.Registration
	name := func(value uint64) string {
		if value < kernelHalf { // per-CPU symbols have small values, which a number may have too
			return ""
		}
		s, _ := r.session.on.name(value)
		return s
	}
	out := &Effect{
		Instruction: r.Instruction(),
		Next:        Address(t.now[outcome.IP]), NextName: name(t.now[outcome.IP]),
		Leaps: t.now[outcome.IP] != r.posted.outcome.Behind,
	}
	for reg := outcome.AX; reg <= outcome.R15; reg++ {
		if was, now := t.was[reg], t.now[reg]; was != now {
			out.Changed = append(out.Changed, Change{reg.String(), Address(was), Address(now), name(was), name(now)})
		}
	}
	was, now := t.was[outcome.Flags], t.now[outcome.Flags]
	out.Set, out.Cleared = outcome.FlagNames(now&^was), outcome.FlagNames(was&^now)
	for _, m := range t.memory {
		change := MemoryChange{Name: m.Name, Addr: Address(m.Addr), AddrName: name(m.Addr), Size: r.posted.operand.Size}
		change.Was, change.WasName = word(m.Was, name)
		change.Now, change.NowName = word(m.Now, name)
		out.Memory = append(out.Memory, change)
	}
	return out
}

// word is the number that up to 8 bytes are, and its name if it has one.
func word(b []byte, name func(uint64) string) (*Address, string) {
	if b == nil {
		return nil, ""
	}
	var whole [8]byte
	copy(whole[:], b)
	n := Address(le.Uint64(whole[:]))
	return &n, name(uint64(n))
}

// kernelHalf is where the kernel's addresses begin.
const kernelHalf = 1 << 63
