package ktrap

import (
	"errors"
	"fmt"
	"time"
)

// spending is how often it is looked which Once probes have had their hit.
const spending = 50 * time.Millisecond

// letting lets go of Once probes behind their hit, in the background: until then
// their programs end at once, and still the kernel traps.
type letting struct {
	stop, stopped chan struct{}
	failed        error
}

// letGoOnce begins it, if p has such probes and it has not begun.
func (s *Session) letGoOnce(p *prepared) {
	once := first(p.regs, func(r *Registration) bool { return r.probe.Once })
	if once == nil || s.letting != nil {
		return
	}
	l := &letting{stop: make(chan struct{}), stopped: make(chan struct{})}
	s.letting = l
	go func() {
		defer close(l.stopped)
		for {
			select {
			case <-l.stop:
				return
			case <-time.After(spending):
				l.failed = errors.Join(l.failed, s.letGo())
			}
		}
	}()
}

// letGo disables the probes that have had their hit. The session can be used in
// between: each takes a while.
func (s *Session) letGo() error {
	spent, err := s.spent()
	for _, r := range spent {
		err = errors.Join(err, r.letGo())
	}
	return err
}

func (r *Registration) letGo() error {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	if !r.isLive() {
		return nil
	}
	return r.disable()
}

func (s *Session) spent() (regs []*Registration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.batches {
		spent, failed := b.set.Spent()
		err = errors.Join(err, failed)
		for _, i := range spent {
			regs = append(regs, b.regs[i])
		}
	}
	return regs, err
}

// endLetting waits for what is being let go of.
func (s *Session) endLetting() error {
	s.mu.Lock()
	l := s.letting
	s.letting = nil
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	close(l.stop)
	<-l.stopped
	if l.failed != nil {
		return fmt.Errorf("let go of a probe behind its one hit: %w", l.failed)
	}
	return nil
}

// onceless refuses Once with a post-handler.
func (r *Registration) onceless() error {
	if r.probe.Once && r.posted != nil {
		return fmt.Errorf("%s: a probe with a post-handler can't be for one hit: its outcome is seen by other probes' hits", r.Place())
	}
	return nil
}
