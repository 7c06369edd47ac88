package attach

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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

// eventPoint is one point's event. Its counts and spans are guarded by the
// buffer's lock.
type eventPoint struct {
	set     *EventSet
	index   int // in the job
	number  uint32
	fetch   *capture.Bound
	id      uint16 // 0 while there is no event
	enabled bool

	spans                   []span // one for each time that it was enabled
	missed                  uint64 // by the kernel, up to the last span's end
	seen, unarmed, filtered uint64
}

// span is a time in which an event was enabled. At its end the kernel's count of
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
// place when its event is made, and an event that was never enabled goes away
// without a trace.
func (s *EventSet) attach(ctx context.Context) error {
	for _, step := range s.job.Steps {
		ret := step.Mechanism.Context() == object.Kretprobe
		for _, i := range step.Points {
			if err := ctx.Err(); err != nil {
				return err
			}
			s.points[i] = &eventPoint{set: s, index: i, number: s.job.Base + uint32(i)}
			if err := s.points[i].define(ret); err != nil {
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
	}
	return nil
}

func (p *eventPoint) define(ret bool) error {
	b, point := p.set.buffer, p.set.job.Points[p.index]
	fetch, err := point.Unit.Fetch(p.set.job.Arch)
	if err != nil {
		return err
	}
	format, err := b.define(p.number, point.Addr, ret, fetch.Args())
	if err != nil {
		return err
	}
	p.id = format.ID
	if p.fetch, err = fetch.Bind(format); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.points[p.id] = p
	return nil
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
	if err := s.begin(p); err != nil {
		return err
	}
	if err := p.write("1"); err != nil {
		return fmt.Errorf("enable an event: %w", err)
	}
	p.enabled = true
	return nil
}

// Disable ends the recording of point i's hits.
func (s *EventSet) Disable(i int) error {
	p := s.points[i]
	if !p.enabled {
		return nil
	}
	if err := s.end(p); err != nil {
		return err
	}
	if err := p.write("0"); err != nil {
		return fmt.Errorf("disable an event: %w", err)
	}
	p.enabled = false
	return nil
}

func (p *eventPoint) write(enable string) error {
	b := p.set.buffer
	return b.write(filepath.Join("events", b.name, b.event(p.number), "enable"), enable)
}

// begin begins a span of p.
func (s *EventSet) begin(p *eventPoint) error {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	profile, err := s.buffer.profile()
	p.spans = append(p.spans, span{from: profile.of(p.number).Hits})
	return err
}

// end ends the spans of points that last.
func (s *EventSet) end(points ...*eventPoint) error {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	end := monotonic()
	profile, err := s.buffer.profile()
	if err != nil {
		return err
	}
	read := monotonic()
	for _, p := range points {
		if last := &p.spans[len(p.spans)-1]; last.end == 0 {
			count := profile.of(p.number)
			last.end, last.read, last.hits, p.missed = end, read, count.Hits, count.Missed
		}
	}
	return nil
}

// take appends the record of p's hit, if it counts; room is false if dst is too
// full for it, and then it is to be taken again.
func (p *eventPoint) take(dst []byte, h capture.Hit, data []byte) (more []byte, room bool) {
	filter := p.set.job.Points[p.index].Unit.Filter
	size := p.fetch.Size()
	switch {
	case !p.armed(h):
		p.unarmed++
	case filter.PID != 0 && filter.PID != h.PID, filter.Comm != "" && filter.Comm != string(p.fetch.Comm(data)):
		p.filtered++
	case cap(dst)-len(dst) < headerSize+size:
		return dst, false
	default:
		dst = append(dst, byte(size), byte(size>>8), byte(size>>16), byte(size>>24), 0, 0, 0, 0)
		dst = p.fetch.Append(dst, h, data)
	}
	p.seen++
	p.spans[len(p.spans)-1].count(h.Time)
	return dst, true
}

// headerSize is the size of what stands before a record in a BPF ring buffer: its
// length, and a word that readers have no use for.
const headerSize = 8

// armed tells whether a hit counts: one of the draining itself, which calls what
// reads files, does not.
func (p *eventPoint) armed(h capture.Hit) bool {
	from, end := p.set.armed, p.spans[len(p.spans)-1].end
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

// lost is how many hits of an ended span were not recorded. Some of those that
// the kernel counted may be late ones; sure is false if they may.
func (s *span) lost() (n uint64, sure bool) {
	unseen := s.hits - s.from - s.seen
	if s.end == 0 || int64(unseen) <= 0 {
		return 0, true
	}
	return unseen - min(unseen, s.late), s.late == 0
}

// lost is how many of p's hits the kernel did not record, as far as is known.
// Where nothing at all was dropped it is none, unless an event can be too large
// to be recorded, which the kernel does not count.
func (p *eventPoint) lost() (n uint64, sure bool, err error) {
	sure = true
	for _, s := range p.spans {
		lost, known := s.lost()
		n, sure = n+lost, sure && known
	}
	if sure {
		return n, true, nil
	}
	dropped, err := p.set.buffer.dropped()
	if dropped == 0 && !p.fetch.Boundless() {
		return 0, err == nil, err
	}
	return n, false, err
}

// Tally returns point i's counts. What was lost is known once it is disabled and
// the buffer drained.
func (s *EventSet) Tally(i int) (Tally, error) {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	p := s.points[i]
	lost, _, err := p.lost()
	return Tally{Hits: p.seen + lost, Unarmed: p.unarmed, Filtered: p.filtered, Full: lost}, err
}

// Misses returns what the kernel counts as missed at point i, and that no other
// point shares that count. It is not known if hits were lost and it can't be told
// how many.
func (s *EventSet) Misses(i int) (m Misses, shared []int) {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	p := s.points[i]
	_, sure, err1 := p.lost()
	m.Missed = p.missed
	var err2 error
	if p.spans[len(p.spans)-1].end == 0 {
		var now profile
		now, err2 = s.buffer.profile()
		m.Missed = now.of(p.number).Missed
	}
	m.Known = sure && err1 == nil && err2 == nil && s.job.tells(i, m.Missed)
	return m, []int{i}
}

// tells tells whether the kernel counts nothing but misses as missed at point i.
func (j *Job) tells(i int, missed uint64) bool {
	return missed == 0 || len(j.Points[i].Unit.Reads) == 0 || !j.FaultsMissed()
}

// Detach disables every point; the counts stay readable.
func (s *EventSet) Detach() error {
	var errs []error
	for i, p := range slices.Backward(s.points) {
		if p != nil {
			errs = append(errs, s.Disable(i))
		}
	}
	return errors.Join(errs...)
}

// Close disables every point and removes its event. The kernel then empties the
// buffer, if the event was ever enabled: drain it before.
func (s *EventSet) Close() error {
	err := s.Detach()
	for _, p := range slices.Backward(s.points) {
		if p == nil || p.id == 0 {
			continue
		}
		s.buffer.forget(p.id)
		err = errors.Join(err, s.buffer.undefine(p.number))
	}
	return err
}
