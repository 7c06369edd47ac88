package ktrap

import (
	"context"
	"errors"

	"ktrap/internal/attach"
)

// crowd is from how many probes on they are removed in the background, if that is
// asked for: fewer take as long as to start what does it.
const crowd = 8

// removes tells whether many probes are removed in the background.
func (s *Session) removes() bool { return s.config.Background && len(s.config.Guard) > 0 }

// abandon lets go of a set of which the rest is not wanted any more.
func (s *Session) abandon(set *attach.Set) error {
	if !s.removes() {
		return set.Close()
	}
	s.abandoned = true
	s.batches = append(s.batches, &batch{set: set})
	return nil
}

// leave leaves everything that is attached to a process that removes it.
func (s *Session) leave() error {
	if s.removal != nil {
		return nil
	}
	s.removal = new(attach.Removal)
	var errs []error
	for i := len(s.batches) - 1; i >= 0; i-- {
		errs = append(errs, s.batches[i].set.Leave(s.removal))
	}
	return errors.Join(append(errs, s.removal.Start(s.config.Guard, s.group))...)
}

// Wait waits until the kernel is as it was found, behind Close and where
// Config.Background has that not wait; or until ctx is done, whose error it returns.
func (s *Session) Wait(ctx context.Context) error {
	if r := s.left(); r != nil {
		return r.Wait(ctx)
	}
	return nil
}

// Removing is how many probes are left to be removed in the background, at most, and
// by which process; 0 if none were.
func (s *Session) Removing() (probes, pid int) {
	if r := s.left(); r != nil {
		return r.Probes, r.PID
	}
	return 0, 0
}

func (s *Session) left() *attach.Removal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removal
}
