package attach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"ktrap/internal/capture"
	"ktrap/internal/object"
)

// EventSet is a job that is attached by tracefs alone. The kernel records each
// hit in a Buffer, and what a program would have done is done when that is
// drained: what came before Arm or after Disarm is counted apart, what the
// filter refuses is counted and thrown away.
type EventSet struct {
	buffer *Buffer
	job    Job
	points []*eventPoint
	armed  uint64 // the moment, by the buffer's clock; 0 for not yet
}

// eventPoint is one point's events: that of the words, and that of the reads if
// there are any, which the kernel records before the other. Counts and spans are
// guarded by the buffer's lock.
type eventPoint struct {
	set     *EventSet
	index   int // in the job
	number  uint32
	fetch   *capture.Bound
	words   *event
	reads   *event
	enabled bool
	spent   bool // it was for one hit

	spans                   []span // one for each time that it was enabled
	missed                  uint64 // by the kernel, up to the last span's end
	seen, unarmed, filtered uint64
}

// span is a time in which a point was enabled. At its end the kernel's count of
// hits is compared with that of records. But the kernel counts on while its count
// is read and the event disabled. So the end is a moment; the count is read
// somewhat later, and records of the time between are counted too.
type span struct {
	from uint64 // hits that the kernel had counted before
	end  uint64 // the moment; 0 while it lasts
	read uint64 // the moment when the kernel's count had been read, after the end
	hits uint64 // that count
	seen uint64 // records up to the end
	late uint64 // records from there until the count had been read
}

// Attach carries out job, unarmed. On failure nothing stays; the error is a
// *Refused or what a system call said of an earlier step.
func (b *Buffer) Attach(ctx context.Context, job Job) (*EventSet, error) {
	s := &EventSet{buffer: b, job: job, points: make([]*eventPoint, len(job.Points))}
	if err := s.attach(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// attach makes all events before it enables the first: the kernel looks at a
// place when its event is made, and what was never enabled goes away easily.
func (s *EventSet) attach(ctx context.Context) error {
	s.job.progress(true, 0)
	for _, step := range s.job.Steps {
		for _, i := range step.Points {
			if err := ctx.Err(); err != nil {
				return err
			}
			s.points[i] = &eventPoint{set: s, index: i, number: s.job.Base + uint32(i)}
			if err := s.points[i].define(step.Mechanism.Context() == object.Kretprobe); err != nil {
				return &Refused{Point: i, Mechanism: step.Mechanism, Err: err}
			}
		}
	}
	for i := range s.points {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.Enable(i); err != nil {
			return err
		}
		s.job.progress(true, i+1)
	}
	return nil
}

// define makes p's events. Of the probes at one place the youngest runs first; of
// those at one return the oldest, since returns are found the other way round.
func (p *eventPoint) define(ret bool) (err error) {
	b, point := p.set.buffer, p.set.job.Points[p.index]
	fetch, err := point.Unit.Fetch(p.set.job.Arch)
	if err != nil {
		return err
	}
	var none event
	p.reads = &none
	words := func() { p.words, err = b.define(ret, point.Addr, fetch.Words()) }
	reads := func() { p.reads, err = b.define(ret, point.Addr, fetch.Reads()) }
	order := []func(){words, reads}
	switch {
	case len(fetch.Reads()) == 0:
		order = order[:1]
	case ret:
		slices.Reverse(order)
	}
	for _, make := range order {
		if make(); err != nil {
			return err
		}
	}
	p.fetch, err = fetch.Bind(p.words.format, p.reads.format)
	b.know(p)
	return err
}

// Arm begins: from now on hits of all points count and are recorded.
func (s *EventSet) Arm() error {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	s.armed = monotonic()
	return nil
}

// Disarm ends: hits of any point count as unarmed from now on.
func (s *EventSet) Disarm() error { return s.end(s.points...) }

// Enable has the kernel record point i's hits.
func (s *EventSet) Enable(i int) error {
	p := s.points[i]
	if p.enabled {
		return nil
	}
	p.enabled, p.spent = true, false
	if err := s.begin(p); err != nil {
		return err
	}
	return errors.Join(s.buffer.enable(p.reads, true), s.buffer.enable(p.words, true))
}

// Disable ends the recording of point i's hits.
func (s *EventSet) Disable(i int) error {
	p := s.points[i]
	if !p.enabled {
		return nil
	}
	p.enabled = false
	return errors.Join(s.end(p), s.buffer.enable(p.words, false), s.buffer.enable(p.reads, false))
}

// begin begins a span of p.
func (s *EventSet) begin(p *eventPoint) error {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	profile, err := s.buffer.profile()
	p.spans = append(p.spans, span{from: profile.Of(p.words.name).Hits})
	return err
}

// end ends the spans of points that last.
func (s *EventSet) end(points ...*eventPoint) error {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	end := monotonic()
	profile, err := s.buffer.profile()
	read := monotonic()
	for _, p := range points {
		if last := p.last(); last.end == 0 {
			count := profile.Of(p.words.name)
			last.end, last.read, last.hits, p.missed = end, read, count.Hits, count.Missed
		}
	}
	return err
}

func (p *eventPoint) last() *span { return &p.spans[len(p.spans)-1] }

// take appends the record of p's hit, if it counts; room is false if dst is too
// full for it, and then it is to be taken again.
func (p *eventPoint) take(dst []byte, h capture.Hit, words, reads []byte) (more []byte, room bool) {
	filter := p.set.job.Points[p.index].Unit.Filter
	size := p.fetch.Size()
	switch {
	case p.spent || !p.armed(h):
		p.unarmed++
	case filter.PID != 0 && filter.PID != h.PID,
		filter.Comm != "" && !bytes.Equal([]byte(filter.Comm), p.fetch.Comm(words)):
		p.filtered++
	case cap(dst)-len(dst) < headerSize+size:
		return dst, false
	default:
		dst = append(dst, byte(size), byte(size>>8), byte(size>>16), byte(size>>24), 0, 0, 0, 0)
		dst = p.fetch.Append(dst, h, words, reads)
		p.spent = p.set.job.Points[p.index].once()
	}
	p.seen++
	p.last().count(h.Time)
	return dst, true
}

// headerSize is the size of what stands before a record in a BPF ring buffer: its
// length, and a word that readers have no use for.
const headerSize = 8

// armed tells whether a hit counts: one of the draining itself, which calls what
// reads files, does not.
func (p *eventPoint) armed(h capture.Hit) bool {
	from, end := p.set.armed, p.last().end
	return h.TID != p.set.buffer.drainer && from != 0 && h.Time >= from && (end == 0 || h.Time <= end)
}

func (s *span) count(time uint64) {
	switch {
	case s.end == 0 || time <= s.end:
		s.seen++
	case time <= s.read:
		s.late++
	}
}

// unseen is how many hits of s the kernel counted by its end and did not record,
// as far as is known: some may be the late ones. sure is false if they may.
func (s *span) unseen() (n uint64, sure bool) {
	counted := s.hits - s.from
	if s.end == 0 || counted <= s.seen {
		return 0, true
	}
	n = counted - s.seen
	return n - min(n, s.late), s.late == 0
}

// lost is how many of p's hits were not recorded. If it can't be told from the
// counts of hits it is none if nothing was dropped at all; else n is a guess.
func (p *eventPoint) lost() (n uint64, sure bool, err error) {
	sure = true
	for _, s := range p.spans {
		unseen, known := s.unseen()
		n, sure = n+unseen, sure && known
	}
	if sure {
		return n, true, nil
	}
	dropped, err := p.set.buffer.dropped()
	if dropped == 0 {
		return 0, err == nil, err
	}
	return n, false, err
}

// Tally returns point i's counts. Until all hits before its end have been drained
// nothing counts as lost.
func (s *EventSet) Tally(i int) (Tally, error) {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	p := s.points[i]
	t := Tally{Hits: p.seen, Unarmed: p.unarmed, Filtered: p.filtered}
	if p.spent { // what came later is of no interest
		return t, nil
	}
	if last := p.last(); s.buffer.drained < last.read {
		t.Hits = max(t.Hits, last.hits)
		return t, nil
	}
	var err error
	t.Full, _, err = p.lost()
	t.Hits += t.Full
	return t, err
}

// Tallies returns those of all points.
func (s *EventSet) Tallies() (all []Tally, err error) {
	for i := range s.points {
		t, failed := s.Tally(i)
		all, err = append(all, t), errors.Join(err, failed)
	}
	return all, err
}

// Misses returns what the kernel counts as missed at point i, and that no other
// point shares that count. It is not known if it can't be told how many hits were
// lost.
func (s *EventSet) Misses(i int) (m Misses, shared []int) {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	p := s.points[i]
	_, sure, err := p.lost()
	m.Missed = p.missed
	if p.last().end == 0 {
		profile, failed := s.buffer.profile()
		m.Missed, err = profile.Of(p.words.name).Missed, errors.Join(err, failed)
	}
	m.Known = sure && err == nil && s.job.tells(i, m.Missed)
	return m, []int{i}
}

// tells tells whether the kernel counts nothing but misses as missed at point i.
func (j *Job) tells(i int, missed uint64) bool {
	u := j.Points[i].Unit
	return missed == 0 || u == nil || len(u.Reads) == 0 || !j.FaultsMissed()
}

// Detach disables every point; the counts stay readable.
func (s *EventSet) Detach() error {
	var errs []error
	for i, p := range slices.Backward(s.points) {
		if p != nil {
			errs = append(errs, s.Disable(i))
			s.job.progress(false, i)
		}
	}
	return errors.Join(errs...)
}

// Close disables every point and lets go of its events.
func (s *EventSet) Close() error {
	err := s.Detach()
	for _, p := range slices.Backward(s.points) {
		if p != nil {
			err = errors.Join(err, s.buffer.forget(p))
		}
	}
	if err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	return nil
}
