package attach

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ktrap/internal/ledger"
)

// counted is a tracefs event that calls a program, of one place or of many: the
// kernel arms and disarms them together, which takes many times as long for a perf
// event each. Of an event the kernel counts hits and misses, place by place, on every
// release: what it counts as a hit and the program does not have count has been kept
// from it because a program was running.
type counted struct {
	set    *Set
	points []int
	event  *event
	sites  *ledger.Sites // to tell the places apart, if there are many
	table  *ebpf.Map     // of sites
	// first is what was read when the program was attached: an event is armed
	// before it can call a program.
	first []reading
	left  bool // the group's guard removes the event
}

// reading is the counts of a place and of its point, read at once.
type reading struct {
	missed  uint64
	more    int64  // hits that the kernel counts and the program does not
	reading uint64 // hits by the reading itself, which runs through the kernel too
	equal   int    // how many times in turn the same was read
}

// sure tells that no hit came while it was read. If the reading itself hits, only
// many equal readings tell.
func (r *reading) sure() bool { return r.equal >= 8 || r.equal >= 2 && r.reading == 0 }

func (r *reading) again(next reading) {
	if next.equal = r.equal; next != *r {
		next.equal = 0
	}
	next.equal++
	*r = next
}

// define makes the event of h, disabled, if it needs one and has none. Those of a whole
// set are made before the first is armed: beside places that are armed, which the
// kernel is about to make jumps of, it takes several times as long.
func (h *hook) define(ctx context.Context, s *Set) error {
	if !placed(h.mechanism) || h.counted != nil {
		return nil
	}
	addrs := make([]uint64, len(h.points))
	for n, i := range h.points {
		addrs[n] = s.job.Points[i].Addr
	}
	c := &counted{set: s, points: h.points}
	names := []string{fmt.Sprintf("%#x", addrs[0])}
	if len(addrs) > 1 {
		c.sites, names = ledger.NewSites(s.job.Arch, addrs, h.points), places(addrs)
		if c.sites == nil {
			return &Refused{Point: -1, Points: h.points, Mechanism: h.mechanism, Err: errors.New("the places are too far apart")}
		}
		if err := c.makeTable(); err != nil {
			return err
		}
	}
	e, refused, err := s.job.Events.defineAll(ctx, h.returns(), names, nil)
	if err != nil && ctx.Err() != nil {
		return errors.Join(err, c.table.Close())
	}
	if err != nil {
		return errors.Join(&Refused{Point: h.points[refused], Mechanism: h.mechanism, Err: err}, c.table.Close())
	}
	c.event, h.counted = e, c
	return nil
}

func (c *counted) makeTable() (err error) {
	c.table, err = NewMap(&ebpf.MapSpec{Name: "ktrap_sites", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(c.sites.Table)), MaxEntries: 1})
	if err == nil {
		err = c.table.Put(uint32(0), c.sites.Table)
	}
	if err != nil {
		return fmt.Errorf("make the map of sites: %w", err)
	}
	return nil
}

// connectEvent has the event call h's program. Opening it arms all of its places.
func (h *hook) connectEvent(prog fd) error {
	perf, err := openTracepoint(h.counted.event.format.ID)
	if err := h.keep(perf, err); err != nil {
		return &Refused{Point: -1, Points: h.points, Mechanism: h.mechanism, Err: err}
	}
	link, err := linkPerf(prog, perf, 0)
	if link >= 0 {
		err = h.keep(link, err)
	}
	if err == nil {
		h.counted.first = h.counted.read(h.points)
	}
	return err
}

// openTracepoint opens a tracefs event by its id, which arms it; closing it
// disarms it.
func openTracepoint(id uint16) (fd, error) {
	return openEvent(&unix.PerfEventAttr{Type: unix.PERF_TYPE_TRACEPOINT, Config: uint64(id)})
}

// close lets go of the event, which nothing uses any more.
func (c *counted) close() error {
	if c.left {
		c.set.job.Events.left += len(c.points)
		return c.table.Close()
	}
	return errors.Join(c.set.job.Events.undefine(c.event), c.table.Close())
}

// missed adds to all what each of some points has missed since the program was
// attached. none tells that the kernel knows of none that it kept from the program.
func (c *counted) missed(points []int, all map[int]Misses, none bool) {
	readings := c.read
	if none { // then hits don't matter
		readings = c.readMissed
	}
	for n, now := range readings(points) {
		m, first := all[points[n]], c.first[slices.Index(c.points, points[n])]
		m.Missed += now.missed
		switch {
		case !now.sure() || !none && (!first.sure() || now.reading != first.reading):
			m.unknown = true
		case !none:
			m.Recursion += uint64(max(0, now.more-first.more))
		}
		all[points[n]] = m
	}
}

// Both bound the time in which hits have to pause once.
const (
	attempts = 100
	patient  = 100 * time.Millisecond
)

// read reads the counts of some points until none changed meanwhile, as the same
// reading again tells: a hit under way is counted by the kernel first. What hits
// never paused for is not sure.
func (c *counted) read(points []int) []reading {
	all := make([]reading, len(points))
	begun := time.Now()
	profile, err := c.set.job.Events.openProfile()
	if err != nil {
		return all
	}
	defer profile.Close()
	for range attempts {
		next, err := c.readOnce(profile, points)
		if err != nil {
			return make([]reading, len(points))
		}
		open := false
		for i := range all {
			if !all[i].sure() {
				all[i].again(next[i])
			}
			open = open || !all[i].sure()
		}
		if !open || time.Since(begun) > patient {
			break
		}
	}
	return all
}

// readMissed is read of what the kernel counts as missed alone.
func (c *counted) readMissed(points []int) []reading {
	all := make([]reading, len(points))
	profile, err := c.set.job.Events.profile()
	places := profile[c.event.name]
	for n, i := range points {
		if at := slices.Index(c.points, i); err == nil && at < len(places) {
			all[n] = reading{missed: places[at].Missed, equal: 8}
		}
	}
	return all
}

func (c *counted) readOnce(from counts, points []int) ([]reading, error) {
	before, err1 := c.hits(points)
	profile, err2 := from.read()
	after, err3 := c.hits(points)
	places := profile[c.event.name]
	if len(places) != len(c.points) {
		return nil, errors.Join(err1, err2, err3, fmt.Errorf("the kernel counts %d places of an event of %d", len(places), len(c.points)))
	}
	all := make([]reading, len(points))
	for n, i := range points {
		count := places[slices.Index(c.points, i)]
		all[n] = reading{missed: count.Missed, more: int64(count.Hits - after[n]), reading: after[n] - before[n]}
	}
	return all, errors.Join(err1, err2, err3)
}

// hits are the points' own counts.
func (c *counted) hits(points []int) ([]uint64, error) {
	all := make([]uint64, len(points))
	if len(points) == 1 {
		t, err := c.set.Tally(points[0])
		all[0] = t.Hits
		return all, err
	}
	tallies, err := c.set.Tallies()
	if err != nil {
		return all, err
	}
	for n, i := range points {
		all[n] = tallies[i].Hits
	}
	return all, nil
}
