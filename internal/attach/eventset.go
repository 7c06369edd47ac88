package attach

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"

	"ktrap/internal/capture"
	"ktrap/internal/object"
	"ktrap/internal/tracefs"
)

// EventSet is a job that is attached by tracefs alone. The kernel records each
// hit in a Buffer, and what a program would have done is done when that is
// drained: what came before Arm or after Disarm is counted apart, what the
// filter refuses is counted and thrown away.
type EventSet struct {
	buffer *Buffer
	job    Job
	points []*eventPoint
	// armed and disarmed are moments by the buffer's clock; 0 for not yet.
	armed, disarmed atomic.Uint64
}

// eventPoint is one point's event.
type eventPoint struct {
	set    *EventSet
	index  int // in the job
	number uint32
	fetch  *capture.Bound
	id     uint16 // 0 while there is no event

	enabled bool
	kernel  tracefs.Count // what the kernel had counted when it was disabled
	blurred bool          // hits came while it was being disabled

	// Counted by who drains, with the buffer's lock.
	seen, unarmed, filtered uint64
}

// Attach carries out job, unarmed. On failure nothing stays; the error is a
// *Refused or what a system call said of an earlier step.
func (b *Buffer) Attach(ctx context.Context, job Job) (*EventSet, error) {
	s := &EventSet{buffer: b, job: job}
	if err := s.attach(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// attach makes all events before it enables the first: the kernel looks at a
// place when its event is made, and an event that was never enabled goes away
// without a trace.
func (s *EventSet) attach(ctx context.Context) error {
	s.points = make([]*eventPoint, len(s.job.Points))
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
	if p.fetch, err = fetch.Bind(format); err != nil {
		return errors.Join(err, b.undefine(p.number))
	}
	p.id = format.ID
	b.mu.Lock()
	defer b.mu.Unlock()
	b.points[p.id] = p
	return nil
}

// Arm begins: from now on hits of all points count and are recorded.
func (s *EventSet) Arm() error {
	s.armed.Store(monotonic())
	return nil
}

// Disarm ends: hits of any point count as unarmed from now on.
func (s *EventSet) Disarm() error {
	s.disarmed.Store(monotonic())
	return nil
}

// in tells whether a moment is between Arm and Disarm.
func (s *EventSet) in(time uint64) bool {
	from, to := s.armed.Load(), s.disarmed.Load()
	return from != 0 && time >= from && (to == 0 || time <= to)
}

// Enable has the kernel record point i's hits.
func (s *EventSet) Enable(i int) error {
	p := s.points[i]
	if p.enabled {
		return nil
	}
	if err := p.set.switchEvent(p, "1"); err != nil {
		return fmt.Errorf("enable an event: %w", err)
	}
	p.enabled = true
	return nil
}

// Disable ends the recording of point i's hits. The kernel stops to record some
// moments before it stops to count.
func (s *EventSet) Disable(i int) error {
	p := s.points[i]
	if !p.enabled {
		return nil
	}
	before, err := s.buffer.profile(p.number)
	if err != nil {
		return err
	}
	if err := s.switchEvent(p, "0"); err != nil {
		return fmt.Errorf("disable an event: %w", err)
	}
	p.enabled = false
	p.kernel, err = s.buffer.profile(p.number)
	p.blurred = p.blurred || p.kernel.Hits != before.Hits
	return err
}

func (s *EventSet) switchEvent(p *eventPoint, to string) error {
	return s.buffer.write(filepath.Join("events", s.buffer.name, s.buffer.event(p.number), "enable"), to)
}

// take appends the record of p's hit, if it counts; room is false if dst is too
// full for it, and then it is to be taken again.
func (p *eventPoint) take(dst []byte, c *cpuBuffer, process, thread uint32) (more []byte, room bool) {
	filter := p.set.job.Points[p.index].Unit.Filter
	switch {
	case !p.set.in(c.time):
		p.unarmed++
	case filter.PID != 0 && filter.PID != process,
		filter.Comm != "" && filter.Comm != string(p.fetch.Comm(c.data)):
		p.filtered++
	case cap(dst)-len(dst) < headerSize+p.fetch.Size():
		return dst, false
	default:
		dst = appendHeader(dst, p.fetch.Size())
		dst = p.fetch.Append(dst, capture.Hit{Time: c.time, PID: process, TID: thread, Probe: p.number, CPU: c.number}, c.data)
	}
	p.seen++
	return dst, true
}

// headerSize is the size of what stands before a record in a BPF ring buffer: its
// length, and a word that readers have no use for.
const headerSize = 8

func appendHeader(dst []byte, size int) []byte {
	return append(dst, byte(size), byte(size>>8), byte(size>>16), byte(size>>24), 0, 0, 0, 0)
}

// Tally returns point i's counts. What was lost is known once it is disabled and
// the buffer drained.
func (s *EventSet) Tally(i int) (Tally, error) {
	p := s.points[i]
	lost, _, err := p.lost()
	seen, unarmed, filtered := p.counts()
	return Tally{Hits: seen + lost, Unarmed: unarmed, Filtered: filtered, Full: lost}, err
}

func (p *eventPoint) counts() (seen, unarmed, filtered uint64) {
	p.set.buffer.mu.Lock()
	defer p.set.buffer.mu.Unlock()
	return p.seen, p.unarmed, p.filtered
}

// lost is how many hits reached p's event and not the reader. Where hits came
// while it was being disabled, some of them were merely not recorded any more:
// then exact is false, unless nothing at all was dropped.
func (p *eventPoint) lost() (n uint64, exact bool, err error) {
	seen, _, _ := p.counts()
	if p.enabled || p.kernel.Hits <= seen {
		return 0, true, nil
	}
	n = p.kernel.Hits - seen
	if !p.blurred {
		return n, true, nil
	}
	dropped, err := p.set.buffer.dropped()
	if dropped == 0 && err == nil && !p.fetch.Boundless() {
		return 0, true, nil
	}
	return n, false, err
}

// Misses returns what the kernel counts as missed at point i, and that no other
// point shares that count.
func (s *EventSet) Misses(i int) (m Misses, shared []int) {
	p := s.points[i]
	count := p.kernel
	var err error
	if p.enabled {
		count, err = s.buffer.profile(p.number)
	}
	_, exact, failed := p.lost()
	m = Misses{Missed: count.Missed, Known: exact && err == nil && failed == nil && s.job.tells(i, count)}
	return m, []int{i}
}

// tells tells whether the kernel counts as missed nothing but misses at point i.
func (j *Job) tells(i int, count tracefs.Count) bool {
	return count.Missed == 0 || !j.FaultsMissed || len(j.Points[i].Unit.Reads) == 0
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
		s.buffer.forget(p)
		err = errors.Join(err, s.buffer.undefine(p.number))
	}
	return err
}

func (b *Buffer) forget(p *eventPoint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.points, p.id)
}
