//go:build live

package ktrap_test

import (
	"maps"
	"os"
	"strings"
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
	all := whole(t, s, "vfs_write")
	counts, events, recorded := map[string]uint64{}, map[string]uint64{}, map[string]bool{}
	var both []*ktrap.Probe
	for n, like := range []ktrap.Probe{{Quiet: true}, {}} {
		like.PID = uint32(os.Getpid())
		probes, err := s.Probes(all, like)
		must(t, err)
		if n > 0 { // recorded are some
			probes = probes[:60]
		}
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
		recorded[l.Place] = recorded[l.Place] || !r.Probe().Quiet
	}
	if byEvent < len(regs)-6 || byEvent < 200 {
		t.Errorf("%d of %d by an event, want more than 200", byEvent, len(regs))
	}
	others := counts[regs[0].Place()] - calls // of this process, by the test's own output
	hit := 0
	for place, n := range counts {
		if n >= calls {
			hit++
		}
		if n > others && n < calls || n > others+calls {
			t.Errorf("%s: counted %d times in %d calls, %d of them the same", place, n, calls+others, calls)
		}
		if recorded[place] && events[place] != n {
			t.Errorf("%s: counted %d times, recorded %d times", place, n, events[place])
		}
	}
	if hit < 10 {
		t.Errorf("only %d places were hit", hit)
	}
}

// TestWhatTheKernelRefusesLeavesTheOthersOfItsEvent has places that only the kernel
// knows to refuse, since a few are not looked up, among others of their event.
func TestWhatTheKernelRefusesLeavesTheOthersOfItsEvent(t *testing.T) {
	const calls = 10
	s := guarded(t)
	var all []*ktrap.Probe
	for _, function := range []string{"__x64_sys_umask", "rb_insert_color", "__x64_sys_getppid"} {
		probes, err := s.Probes(whole(t, s, function), ktrap.Probe{Quiet: true, PID: uint32(os.Getpid()), Optional: true})
		must(t, err)
		all = append(all, probes[:8]...)
	}
	regs := register(t, s, all...)
	refused := s.Skipped()
	if len(refused) != 8 {
		t.Errorf("%d places were refused, want 8", len(refused))
	}
	for _, r := range refused {
		if !strings.HasPrefix(r.Probe.Symbol, "rb_insert_color") {
			t.Errorf("%s was refused: %v", r.Probe.Place(), r.Err)
		}
	}
	for range calls {
		unix.Umask(unix.Umask(0o22)) // two calls
		unix.Getppid()
	}
	must(t, s.Close())
	got := map[string]uint64{}
	for _, r := range regs {
		l, err := r.Ledger()
		must(t, err)
		if l.Mechanism == "kprobe event" {
			got[r.Probe().Symbol] = max(got[r.Probe().Symbol], l.Handled)
		}
		if !l.Complete {
			t.Errorf("%+v", l)
		}
	}
	want := map[string]uint64{"__x64_sys_umask": 2 * calls, "__x64_sys_getppid": calls}
	if !maps.Equal(got, want) {
		t.Errorf("got %v hits, want %v", got, want)
	}
}
