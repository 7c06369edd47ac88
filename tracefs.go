package ktrap

import (
	"context"
	"errors"
	"io"

	"ktrap/internal/attach"
	"ktrap/internal/plan"
	"ktrap/internal/stream"
)

// armed is a batch that is attached, by programs or by tracefs alone.
type armed interface {
	Arm() error
	Disarm() error
	Enable(i int) error
	Disable(i int) error
	Spent() ([]int, error)
	Tally(i int) (attach.Tally, error)
	Tallies() ([]attach.Tally, error)
	Misses(i int) (m attach.Misses, shared []int)
	Detach() error
	Leave(*attach.Removal) error
	Close() error
}

// Guard is for the command that Config.Guard names: given the last argument and
// the standard input that the command was started with, it waits for the session
// or its process to end and removes what tracefs events are left. It ignores the
// signals by which terminals and shells end programs.
func Guard(name string, alive io.Reader) error { return attach.Guard(name, alive) }

// openGroup begins the session's tracefs events, once.
func (s *Session) openGroup() (err error) {
	if s.group == nil {
		s.group, err = attach.OpenGroup(s.config.Guard)
	}
	return err
}

// openBuffer makes the trace buffer of a session without programs, and begins to
// drain it.
func (s *Session) openBuffer() error {
	if err := s.openGroup(); err != nil {
		return err
	}
	buffer, err := attach.OpenBuffer(s.group, s.kernel.CPUs.Online)
	if err != nil {
		return err
	}
	s.buffer, s.stream = buffer, stream.Start(buffer, s.config.Memory)
	return nil
}

// carryOut attaches p by the way that it is planned for.
func (s *Session) carryOut(ctx context.Context, p *prepared) (armed, error) {
	job := p.job(s)
	for _, step := range p.steps {
		if step.Mechanism != plan.Event && step.Mechanism != plan.ReturnEvent {
			continue
		}
		if err := s.openGroup(); err != nil {
			return nil, err
		}
		job.Events, job.FaultsMissed = s.group, s.faultsMissed
	}
	if s.buffer != nil {
		return s.buffer.Attach(ctx, job)
	}
	set, err := attach.Attach(ctx, job)
	if err == nil {
		return set, nil
	}
	if set != nil {
		err = errors.Join(err, s.abandon(set))
	}
	return nil, err
}

// faultsMissed tells whether this kernel counts a read that fails in a handler as
// a miss of its probe: as long as probes had fault handlers (up to 5.13,
// ec6aba3d2be1).
func (s *Session) faultsMissed() bool {
	_, err := s.on.symbols.Lookup("", "aggr_fault_handler")
	return err == nil
}

// closeTracefs removes what is left of the session in tracefs.
func (s *Session) closeTracefs() error {
	if s.group == nil {
		return nil
	}
	return s.group.Close()
}
