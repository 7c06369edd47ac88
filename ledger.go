package ktrap

import (
	"errors"

	"ktrap/internal/attach"
)

// Ledger accounts for every hit of one probe:
//
//	Hits = Delivered + Filtered + Cut + Missed + Recursion + Full + Unpaired
//
// Of a handler of the user's own, which writes what it likes,
//
//	Hits = Handled + Filtered + Unpaired + Missed + Recursion
//
// and Delivered and Full count its records. Of a Quiet probe
//
//	Hits = Handled + Filtered + Missed + Recursion
//
// Missed, Recursion and Full are hits that were lost. The kernel counts the
// first two, our program the rest, on each CPU before anything else happens.
type Ledger struct {
	Place     string `json:"probe"`
	Addr      uint64 `json:"-"`
	Mechanism string `json:"mechanism"`
	Hits      uint64 `json:"hits"`              // while armed
	Delivered uint64 `json:"delivered"`         // events that were yielded
	Handled   uint64 `json:"handled,omitempty"` // hits that ran a handler of the user's own, or were only to be counted
	Filtered  uint64 `json:"filtered"`          // refused by PID or Comm
	Cut       uint64 `json:"cut"`               // recorded, and not read before the session closed
	Missed    uint64 `json:"missed"`            // another kprobe's handler was running
	Recursion uint64 `json:"recursion"`         // a BPF program was running
	Full      uint64 `json:"lost"`              // no room in the ring buffer
	// Unpaired are returns of calls whose entry was not seen, where the handler
	// needs it and so was not called; and executions of an instruction with a
	// post-handler that it was not called for: the instruction faulted, or what it
	// left was not seen for sure.
	Unpaired uint64 `json:"unpaired,omitempty"`
	// MissesKnown is false where this kernel does not count what it missed, or
	// counts it for several probes together.
	MissesKnown bool `json:"misses_known"`
	// Complete tells that no hit was lost, and that this is known.
	Complete bool `json:"complete"`
}

// Ledger returns the account as it stands. While the probe is armed the parts
// are read one after the other and may differ by what happens meanwhile; once
// the session is closed, or the loop over Events has ended, they add up.
func (r *Registration) Ledger() (Ledger, error) {
	r.session.mu.Lock()
	defer r.session.mu.Unlock()
	delivered := r.delivered.Load() // first, since it grows after the hits do
	if !r.final {
		if err := r.settleAll(); err != nil {
			return Ledger{}, err
		}
	}
	return r.ledger(delivered), nil
}

func (r *Registration) ledger(delivered uint64) Ledger {
	t, m := r.last, r.misses
	unpaired := r.unpaired.Load()
	seen := t.Hits - t.Unarmed
	l := Ledger{
		Place:     r.Place(),
		Addr:      r.Addr,
		Mechanism: r.Mechanism(),
		Delivered: delivered,
		Filtered:  t.Filtered,
		Full:      t.Full,
		Unpaired:  unpaired,
		Cut:       seen - t.Filtered - t.Full - delivered - unpaired,
	}
	switch {
	case r.typed == nil: // what its handler writes is its own affair
		l.Handled, l.Unpaired, l.Cut = seen-t.Filtered-t.Unpaired, t.Unpaired, 0
	case r.probe.Quiet:
		l.Handled, l.Cut = l.Cut, 0
	}
	if len(r.followers()) > 0 {
		l = r.stepped(l)
	}
	if r.probe.Once && seen > t.Filtered {
		m = attach.Misses{Known: true} // of others than the one hit
	}
	l.MissesKnown = m.Known && (r.shared == 1 || m.Missed+m.Recursion == 0)
	if l.MissesKnown {
		l.Missed, l.Recursion = m.Missed, m.Recursion
	}
	l.Hits = seen + l.Missed + l.Recursion
	l.Complete = l.MissesKnown && l.Missed+l.Recursion+l.Full+l.Unpaired == 0
	return l
}

// Ledgers returns the ledger of every registration of the session, in the order
// of registering.
func (s *Session) Ledgers() ([]Ledger, error) {
	s.mu.Lock()
	regs := visible(s.regs)
	s.mu.Unlock()
	var ledgers []Ledger
	var errs []error
	for _, r := range regs {
		l, err := r.Ledger()
		ledgers, errs = append(ledgers, l), append(errs, err)
	}
	return ledgers, errors.Join(errs...)
}
