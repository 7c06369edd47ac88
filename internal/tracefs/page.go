// Package tracefs reads what tracefs tells: the pages of a trace buffer, an
// event's format, the profile of kprobes, a CPU's statistics.
//
// It is given text and bytes and never touches a file. What it can't make sense
// of it leaves out, or says so; it never reads beyond what it was given.
//
// A page, as per_cpu/cpuN/trace_pipe_raw hands it out:
//
//	u64 time | u64 bytes of events, with flags on top | events
//
// and an event in it, whose first word has 5 bits of type and 27 of the time
// since the event before, ns:
//
//	0      u32 n, with itself | n-4 bytes
//	1-28   4 times as many bytes
//	29     nothing: up to the end, or with a time other than 0 u32 n | n-4 bytes
//	30     u32 upper bits of a time that is added
//	31     u32 upper bits of a time that is set
package tracefs

import "encoding/binary"

var le = binary.LittleEndian

const (
	pageHead = 16
	sizeMask = 1<<30 - 1 // of a page's second word; above it are flags

	kindBits  = 5
	deltaBits = 27
	stampBits = 32 + deltaBits
)

// Kinds of events that are not data.
const (
	long     = 0
	padding  = 29
	timeJump = 30
	timeSet  = 31
)

// Page is what is still unread of a page.
type Page struct {
	time   uint64 // ns, of the event before
	events []byte
}

// OpenPage begins to read a page; the zero Page is empty.
func OpenPage(raw []byte) Page {
	if len(raw) < pageHead {
		return Page{}
	}
	size := min(le.Uint64(raw[8:])&sizeMask, uint64(len(raw)-pageHead))
	return Page{time: le.Uint64(raw), events: raw[pageHead:][:size]}
}

// Next returns the next event's data and its time by the buffer's clock; nil at
// the page's end.
func (p *Page) Next() (time uint64, data []byte) {
	for len(p.events) >= 4 {
		head := le.Uint32(p.events)
		kind, delta := head&(1<<kindBits-1), uint64(head>>kindBits)
		rest := p.events[4:]
		if kind > long && kind < padding {
			return p.take(rest, 0, 4*int(kind), delta)
		}
		if len(rest) < 4 || kind == padding && delta == 0 {
			break
		}
		word := le.Uint32(rest)
		switch kind {
		case long:
			return p.take(rest, 4, int(word), delta)
		case padding:
			p.events = rest[min(max(4, int(word)), len(rest)):]
		case timeJump:
			p.time += uint64(word)<<deltaBits + delta
			p.events = rest[4:]
		case timeSet:
			p.time = p.time>>stampBits<<stampBits | uint64(word)<<deltaBits | delta
			p.events = rest[4:]
		}
	}
	p.events = nil
	return 0, nil
}

// take takes the event whose data is rest[from:to].
func (p *Page) take(rest []byte, from, to int, delta uint64) (time uint64, data []byte) {
	if to < from || to > len(rest) {
		p.events = nil
		return 0, nil
	}
	p.time += delta
	p.events = rest[min((to+3)&^3, len(rest)):]
	return p.time, rest[from:to]
}
