package attach

import (
	"errors"

	"golang.org/x/sys/unix"
)

// counted is a tracefs event that calls a program. Of an event the kernel counts
// hits and misses on every release: what it counts as a hit and the program does
// not have count has been kept from it because a program was running.
type counted struct {
	group *Group
	event *event
	hits  func() (uint64, error) // the program's own count
	// first is what was read when the program was attached: an event is armed
	// before it can call a program.
	first reading
	sure  bool // first could be read
}

// reading is the counts of an event and of its program, read at once.
type reading struct {
	missed  uint64
	more    int64  // hits that the kernel counts and the program does not
	reading uint64 // hits by the reading itself, which runs through the kernel too
}

func (h *hook) connectEvent(s *Set, prog fd, ret bool) error {
	i := h.points[0]
	e, err := s.job.Events.define(ret, s.job.Points[i].Addr, nil)
	if err != nil {
		return err
	}
	h.counted = &counted{group: s.job.Events, event: e, hits: func() (uint64, error) {
		t, err := s.Tally(i)
		return t.Hits, err
	}}
	perf, err := openTracepoint(e.format.ID)
	if err := h.keep(perf, err); err != nil {
		return err
	}
	link, err := linkPerf(prog, perf, 0)
	if link >= 0 {
		err = h.keep(link, err)
	}
	if err == nil {
		h.counted.first, h.counted.sure = h.counted.read()
	}
	return err
}

// openTracepoint opens a tracefs event by its id, which arms it; closing it
// disarms it.
func openTracepoint(id uint16) (fd, error) {
	return openEvent(&unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: uint64(id)})
}

// add adds to m what has been missed since the program was attached.
func (c *counted) add(m Misses) Misses {
	now, sure := c.read()
	m.Missed += now.missed
	m.Recursion += uint64(max(0, now.more-c.first.more))
	m.unknown = m.unknown || !sure || !c.sure || now.reading != c.first.reading
	return m
}

// attempts at reading two counts at once: enough for some ten thousand hits a
// second.
const attempts = 100

// read reads the counts until they did not change meanwhile, as the same reading
// again tells: a hit under way is counted by the kernel first. If the reading
// itself hits, only many equal readings tell. sure is false if hits never paused
// for as long.
func (c *counted) read() (r reading, sure bool) {
	equal := 0
	for range attempts {
		next, err := c.readOnce()
		switch {
		case err != nil:
			return r, false
		case next != r:
			r, equal = next, 0
		}
		if equal++; equal == 8 || equal == 2 && r.reading == 0 {
			return r, true
		}
	}
	return r, false
}

func (c *counted) readOnce() (reading, error) {
	before, err1 := c.hits()
	profile, err2 := c.group.profile()
	after, err3 := c.hits()
	count := profile[c.event.name]
	return reading{count.Missed, int64(count.Hits - after), after - before}, errors.Join(err1, err2, err3)
}
