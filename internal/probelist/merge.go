package probelist

import (
	"cmp"
	"slices"

	"ktrap/internal/place"
)

// Sources are all that a kernel tells; what could not be read is left empty.
type Sources struct {
	Kprobes  []Probe // of ParseKprobes
	Events   []Probe // of ParseEvents
	Programs []Probe // of BPF links and perf events
	Hooks    []Hook  // of ParseHooks
}

// Merge makes one list of all sources, in the order of addresses, with those
// whose address is unknown at the end.
func Merge(s Sources) []Probe {
	m := merger{probes: slices.Clone(s.Kprobes)}
	m.claimed = make([]bool, len(m.probes))
	// Who surely has an armed kprobe chooses first: two kprobes of one place
	// differ in nothing else.
	told, hidden := hiding(s.Events)
	enabled, disabled := divide(told)
	m.merge(enabled, armed)
	m.merge(s.Programs, armed)
	m.merge(disabled, idle)
	m.reveal(hidden)
	m.place(unexplained(s.Hooks, m.probes))
	// Less 1, so that an unknown address comes last.
	slices.SortStableFunc(m.probes, func(p, q Probe) int { return cmp.Compare(p.Addr-1, q.Addr-1) })
	return m.probes
}

type merger struct {
	probes  []Probe
	claimed []bool // by an event or a program; as long as probes
}

// hiding parts events from those of which the kernel hides the place.
func hiding(events []Probe) (told, hidden []Probe) {
	for _, p := range events {
		if p.Addr == 0 && p.Place.Symbol == "" && p.Kind != Fprobe {
			hidden = append(hidden, p)
		} else {
			told = append(told, p)
		}
	}
	return told, hidden
}

// reveal gives kprobes that nobody explains to events of hidden places: surely so if
// there is one such event, and as many kprobes as it has places. One of these may have
// been claimed by the program that perf runs at all of them.
func (m *merger) reveal(hidden []Probe) {
	if len(hidden) == 0 {
		return
	}
	var names []string
	for _, p := range hidden {
		names = append(names, p.Event.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var free, run []int
	for i := range m.probes {
		switch p := &m.probes[i]; {
		case p.Kind != hidden[0].Kind || p.Event != nil:
		case p.Program != nil:
			run = append(run, i)
		default:
			free = append(free, i)
		}
	}
	if len(free)+1 == len(hidden) && len(run) == 1 {
		free = append(free, run[0])
	}
	sure := len(names) == 1 && len(free) == len(hidden)
	for n, i := range free {
		switch {
		case sure:
			event := *hidden[n].Event
			if len(hidden) > 1 {
				event.Counts = nil // of another of its places, perhaps
			}
			m.claim(i, Probe{Event: &event})
		case !m.claimed[i]:
			m.probes[i].Maybe = names
		}
	}
}

func divide(events []Probe) (enabled, disabled []Probe) {
	for _, p := range events {
		if p.Event.Enabled {
			enabled = append(enabled, p)
		} else {
			disabled = append(disabled, p)
		}
	}
	return enabled, disabled
}

func armed(p *Probe) bool { return !p.State.Disabled }
func idle(p *Probe) bool  { return p.State.Disabled }

func (m *merger) merge(probes []Probe, prefer func(*Probe) bool) {
	for _, p := range probes {
		if i := m.find(&p, prefer); i >= 0 {
			m.claim(i, p)
		} else {
			m.probes, m.claimed = append(m.probes, p), append(m.claimed, true)
		}
	}
}

// find returns the kprobe that p is, or -1: best one that is unclaimed, then one
// that is preferred.
// A program set on a tracefs event finds the event's own kprobe claimed.
func (m *merger) find(p *Probe, prefer func(*Probe) bool) int {
	best, at := 0, -1
	for i := range m.probes {
		q := &m.probes[i]
		if !Same(p, q) || p.Event != nil && q.Event != nil || p.Program != nil && q.Program != nil {
			continue
		}
		rank := 1
		if !m.claimed[i] {
			rank += 2
		}
		if prefer(q) {
			rank++
		}
		if rank > best {
			best, at = rank, i
		}
	}
	return at
}

func (m *merger) claim(i int, p Probe) {
	q := &m.probes[i]
	m.claimed[i] = true
	if p.Program != nil {
		q.Program = p.Program
	}
	if p.Event != nil {
		event := *p.Event
		event.Orphan = !event.Enabled && q.State.Disabled
		q.Event = &event
	}
}

// Same reports whether the kprobe p, by the place that was asked for, is the
// kprobe q, by the place where it is.
func Same(p, q *Probe) bool {
	switch {
	case p.Kind != q.Kind || p.Kind != Kprobe && p.Kind != Kretprobe:
		return false
	case p.Addr != 0 && q.Addr != 0:
		return p.Addr == q.Addr
	}
	return p.Place.Symbol == q.Place.Symbol && (p.Place.Module == "" || p.Place.Module == q.Place.Module) &&
		sameOffset(p.Place, q.Place)
}

// endbr is the length of an instruction that x86 compilers begin functions with.
const endbr = 4

// sameOffset knows that the kernel moves a probe of an entry behind the entry's
// endbr (cc66bb914578).
func sameOffset(asked, is place.Place) bool {
	return asked.Offset == is.Offset || asked.Offset == 0 && is.Offset == endbr
}

// direct is what ftrace calls where a function has a trampoline of BPF.
const direct = "call_direct_funcs"

// place adds what hooks functions besides probes. Up to 5.12 links do not tell
// what they trace, so the functions with a trampoline that no other link
// explains are where those are.
func (m *merger) place(others []Probe) {
	untold := m.untold()
	for _, other := range others {
		if other.Callback != direct || len(untold) == 0 {
			m.probes = append(m.probes, other)
			continue
		}
		for _, i := range untold {
			m.probes[i].OneOf = other.Functions
		}
	}
}

func (m *merger) untold() (indices []int) {
	for i, p := range m.probes {
		if p.Program != nil && p.Place == (place.Place{}) && p.Addr == 0 && p.Functions == nil {
			indices = append(indices, i)
		}
	}
	return indices
}

// unexplained returns what hooks functions besides probes, as one probe for each
// callback.
func unexplained(hooks []Hook, probes []Probe) []Probe {
	explained := explanations(probes)
	var others []Probe
	at := map[string]int{}
	for _, h := range hooks {
		if explained[function(h.Symbol, h.Module)] {
			continue
		}
		i, known := at[h.Callback]
		if !known {
			i = len(others)
			at[h.Callback] = i
			others = append(others, Probe{Kind: Ftrace, Callback: h.Callback})
		}
		others[i].Functions = append(others[i].Functions, function(h.Symbol, h.Module))
	}
	return others
}

func explanations(probes []Probe) map[string]bool {
	explained := map[string]bool{}
	for i := range probes {
		for _, f := range probes[i].Functions {
			explained[f] = true
		}
		explained[function(probes[i].Place.Symbol, probes[i].Place.Module)] = true
	}
	return explained
}

// function writes a function in the grammar of places.
func function(symbol, module string) string {
	return place.Place{Symbol: symbol, Module: module}.String()
}
