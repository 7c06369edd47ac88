package ktrap

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"ktrap/internal/attach"
	"ktrap/internal/capture"
)

// Events yields every hit of every probe of the session, in the order of their
// recording, after calling the probe's handler with it. When ctx is done it
// detaches all probes, yields what had been recorded by then and ends; so no
// event is left behind; the session can then only be closed. A loop that is
// broken off can be followed by another, which goes on behind it. An error is
// yielded once, as the last thing.
func (s *Session) Events(ctx context.Context) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		if err := s.beginReading(); err != nil {
			yield(nil, err)
			return
		}
		defer s.reading.Store(false)
		// Even if whoever takes the events is blocked, the kernel is let go of.
		detach := sync.OnceValue(func() error {
			s.ended.Store(true)
			return s.detach()
		})
		defer context.AfterFunc(ctx, func() { detach() })()
		if !s.yield(yield) {
			return
		}
		for ctx.Err() == nil {
			batch, more := s.stream.Next(ctx)
			if !s.deliver(batch, yield) || !more {
				return
			}
		}
		if err := detach(); err != nil {
			yield(nil, err)
			return
		}
		s.drain(yield)
	}
}

func (s *Session) beginReading() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stream == nil:
		return errors.New("events: no probe is registered")
	case s.reading.Swap(true):
		return errors.New("events: another loop reads them")
	}
	return nil
}

// settling is how long programs that had begun when they were detached may take
// to submit what they count.
const settling = time.Second

// drain yields what the detached probes had recorded.
func (s *Session) drain(yield func(*Event, error) bool) {
	deadline, cancel := context.WithTimeout(context.Background(), settling)
	defer cancel()
	for deadline.Err() == nil && !s.settled() {
		soon, cancel := context.WithTimeout(deadline, time.Millisecond)
		batch, more := s.stream.Next(soon)
		cancel()
		if !s.deliver(batch, yield) || !more {
			return
		}
	}
	s.stream.Stop()
	for {
		batch, more := s.stream.Next(context.Background())
		if !s.deliver(batch, yield) {
			return
		}
		if !more {
			s.giveUpAll()
			return
		}
	}
}

// settled tells whether every record that the programs counted has been taken.
func (s *Session) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(s.batches, func(b *batch) bool { return !b.settled() })
}

func (b *batch) settled() bool {
	if !slices.ContainsFunc(b.regs, (*Registration).counts) {
		return true
	}
	tallies, err := b.set.Tallies()
	return err != nil || !slices.ContainsFunc(b.regs, func(r *Registration) bool { return r.counts() && !r.took(tallies[r.index]) })
}

func (r *Registration) settled() bool {
	if !r.counts() {
		return true
	}
	t, err := r.batch.set.Tally(r.index)
	return err != nil || r.took(t)
}

// counts tells that r's program submits a record for each hit that it lets pass.
func (r *Registration) counts() bool {
	return !r.final && r.typed != nil && !r.probe.Quiet // a handler of the user's own may write none, or many
}

// took tells that every record of some hits was taken.
func (r *Registration) took(t attach.Tally) bool {
	return t.Hits-t.Unarmed-t.Filtered-t.Full == r.taken.Load()
}

// deliver turns records into events, calls their handlers and yields them.
func (s *Session) deliver(batch iter.Seq[[]byte], yield func(*Event, error) bool) bool {
	for record := range batch {
		h := capture.ParseHeader(record)
		r := s.registration(h.Probe)
		r.taken.Add(1)
		s.due = append(s.due, s.follow(s.event(r, h, bytes.Clone(record)))...)
		if !s.yield(yield) {
			return false
		}
	}
	return true
}

// yield yields the events that are due, after calling their handlers.
func (s *Session) yield(yield func(*Event, error) bool) bool {
	for len(s.due) > 0 {
		ev := s.due[0]
		s.due = s.due[1:]
		r := ev.Registration
		if ev.Kind == Post || r.posted == nil || r.typed == nil {
			r.delivered.Add(1)
		}
		if handler := ev.handler(); handler != nil && handler.call != nil {
			handler.call(ev)
		}
		if !yield(ev, nil) {
			return false
		}
	}
	return true
}

// registration is the one of a number, nil if there is none yet.
func (s *Session) registration(number uint32) *Registration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if int(number) >= len(s.regs) {
		return nil
	}
	return s.regs[number]
}

func (r *Registration) handler() *Handler { return r.probe.handler() }

func (s *Session) event(r *Registration, h capture.Header, record []byte) *Event {
	lost := h.Full - r.full[h.CPU]
	r.full[h.CPU] = h.Full
	r = r.forWhom()
	ev := &Event{
		Time: s.clock.at(h.Time),
		CPU:  int(h.CPU), PID: int(h.PID), TID: int(h.TID),
		Comm:         string(h.Comm),
		Kind:         Pre,
		Place:        r.name,
		Addr:         r.Addr,
		Lost:         lost,
		Registration: r,
		record:       record,
	}
	if r.probe.Return {
		ev.Kind = Return
	}
	if r.typed == nil && r.posted != nil {
		ev.Kind = Post
	}
	if sent, ok := ev.sent(); ok && sent.Fault {
		ev.Kind = Fault
	}
	return ev
}
