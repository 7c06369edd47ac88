//go:build live

package ktrap_test

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ktrap"
)

// guarded opens a session that may use tracefs events.
func guarded(t *testing.T) *ktrap.Session {
	t.Helper()
	s, err := ktrap.Config{Guard: []string{"ktrap", "guard"}}.Open(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// TestManyPlacesByOneEventAreToldApart hits the instructions of a function, and
// counts and records each at its own place.
func TestManyPlacesByOneEventAreToldApart(t *testing.T) {
	const calls = 100
	s := guarded(t)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	must(t, err)
	defer null.Close()
	all := whole(t, s, "ksys_write")
	counts, events := map[string]uint64{}, map[string]uint64{}
	var both []*ktrap.Probe
	for _, like := range []ktrap.Probe{{Quiet: true}, {}} {
		like.PID = uint32(os.Getpid())
		probes, err := s.Probes(all, like)
		must(t, err)
		both = append(both, probes...)
	}
	began := time.Now()
	regs := register(t, s, both...)
	twice := map[uint64]int{}
	for _, r := range regs {
		if twice[r.Addr]++; twice[r.Addr] > 2 {
			t.Errorf("%s is there %d times", r.Place(), twice[r.Addr])
		}
	}
	t.Logf("%d places attached in %v", len(regs), time.Since(began))
	do := func() {
		for range calls {
			if _, err := unix.Write(int(null.Fd()), make([]byte, 1)); err != nil {
				t.Error(err)
			}
		}
	}
	for _, ev := range during(t, s, do) {
		if ev.Addr != ev.Registration.Addr {
			t.Fatalf("%s at %#x", ev.Place, ev.Addr)
		}
		events[ev.Place]++
	}
	began = time.Now()
	must(t, s.Close())
	t.Logf("detached in %v", time.Since(began))
	byEvent := 0
	for _, r := range regs {
		l, err := r.Ledger()
		must(t, err)
		if l.Mechanism == "kprobe event" {
			byEvent++
		}
		if !l.Complete || l.Missed+l.Recursion != 0 {
			t.Errorf("%+v", l)
		}
		counts[l.Place] += l.Handled
	}
	if byEvent < len(regs)-6 {
		t.Errorf("%d of %d by an event", byEvent, len(regs))
	}
	hit := 0
	for place, n := range counts {
		if n >= calls {
			hit++
		}
		if events[place] != n {
			t.Errorf("%s: counted %d times, recorded %d times", place, n, events[place])
		}
	}
	if hit < 10 {
		t.Errorf("only %d places were hit", hit)
	}
}
