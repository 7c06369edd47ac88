//go:build live

package ktrap_test

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap"
)

// Each of these stopped a kernel: by a program that waits for a lock that it holds,
// or that calls itself.
func TestProgramsAreNeverCalledByWhatTheyRunThemselves(t *testing.T) {
	for _, place := range []string{"_raw_spin_unlock_irqrestore", "__bpf_ringbuf_reserve", "__bpf_ringbuf_reserve+0x10..0x60", "irq_work_queue"} {
		t.Run(place, func(t *testing.T) {
			s := open(t)
			probes, err := s.Probes(place, ktrap.Probe{Optional: true})
			must(t, err)
			probes = append(probes, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid())})
			regs := register(t, s, probes...)
			for _, r := range regs {
				if m := r.Mechanism(); m == "fentry" {
					t.Errorf("%s is probed by %s", r.Place(), m)
				}
			}
			during(t, s, func() { callUmask(2000) })
			if last := regs[len(regs)-1]; ledger(t, last).Hits < 2000 {
				t.Errorf("%+v, want 2000 hits", ledger(t, last))
			}
			if !slices.ContainsFunc(regs, func(r *ktrap.Registration) bool {
				l, err := r.Ledger()
				return err == nil && l.Recursion+l.Missed+l.Delivered != 0
			}) {
				t.Errorf("nothing was hit")
			}
		})
	}
}

func TestAProbeWithinProgramsIsRefusedBesideATrampoline(t *testing.T) {
	s := open(t)
	if register(t, s, &ktrap.Probe{Symbol: umask})[0].Mechanism() != "fentry" {
		return // nothing else is as dangerous
	}
	if _, err := s.Register(t.Context(), &ktrap.Probe{Symbol: "_raw_spin_unlock_irqrestore"}); err == nil {
		t.Error("it was registered")
	}
	unix.Umask(0o22)
}
