//go:build live

package ktrap_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"ktrap"
)

// TestAProbeForOneHitHasOneAndIsLetGoOf hits each instruction of a function from
// several threads at once, until nothing is left of the probes.
func TestAProbeForOneHitHasOneAndIsLetGoOf(t *testing.T) {
	for name, c := range map[string]struct {
		config ktrap.Config
		like   ktrap.Probe
	}{
		"recorded":      {},
		"one by one":    {config: ktrap.Config{Mechanism: "kprobe"}},
		"only counted":  {like: ktrap.Probe{Quiet: true}},
		"of some calls": {like: ktrap.Probe{PID: uint32(os.Getpid()), If: "pid > 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := armed(t)
			c.config.Guard = []string{"ktrap", "guard"}
			s, err := c.config.Open(t.Context())
			must(t, err)
			defer s.Close()
			c.like.Once = true
			probes, err := s.Probes(straight(t, umask), c.like)
			must(t, err)
			regs := register(t, s, append(probes, probes...)...)
			events := map[*ktrap.Registration]int{}
			for _, ev := range during(t, s, func() { hitUntil(t, before) }) {
				events[ev.Registration]++
			}
			for _, r := range regs {
				l, err := r.Ledger()
				must(t, err)
				want := ktrap.Ledger{Place: l.Place, Addr: l.Addr, Mechanism: l.Mechanism, Hits: 1, Delivered: 1, MissesKnown: true, Complete: true, Filtered: l.Filtered}
				if want.Hits += l.Filtered; c.like.Quiet {
					want.Delivered, want.Handled = 0, 1
				}
				if l != want || events[r] != int(l.Delivered) {
					t.Errorf("%d events, %+v", events[r], l)
				}
			}
		})
	}
}

// straight is the range of a function's instructions from behind its entry until it
// returns.
func straight(t *testing.T, name string) string {
	t.Helper()
	k, err := ktrap.KernelConfig{}.Open()
	must(t, err)
	defer k.Close()
	d, err := k.Disassemble(name, ktrap.Disassembler{})
	must(t, err)
	end := slices.IndexFunc(d.Lines, func(l ktrap.Line) bool {
		return strings.HasPrefix(l.Text, "ret") || strings.HasPrefix(l.Text, "jmp")
	})
	return fmt.Sprintf("%s+5..%#x", name, d.Lines[end].Offset)
}

// hitUntil hits umask until the kernel is as it was before, in vain for 30 seconds at
// most.
func hitUntil(t *testing.T, before string) {
	stop := make(chan struct{})
	for range 4 {
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
					callUmask(100)
				}
			}
		}()
	}
	defer close(stop)
	for begun := time.Now(); armed(t) != before; time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > 30*time.Second {
			t.Errorf("not let go of:\n%s", armed(t))
			return
		}
	}
}

func TestAHandlerIsCalledOnceAndOnceMoreWhenEnabled(t *testing.T) {
	s := open(t)
	before := armed(t)
	r := register(t, s, &ktrap.Probe{Symbol: umask, Once: true, Pre: ktrap.Source("package trap\n\nvar calls uint64\n\n//ktrap:pre\nfunc hit() { calls++ }\n")})[0]
	for range 2 {
		hitUntil(t, before)
		must(t, r.Enable())
	}
	must(t, r.Disable())
	l, err := r.Ledger()
	must(t, err)
	if l.Hits != 2 || l.Handled != 2 {
		t.Errorf("%+v", l)
	}
	if calls, err := ktrap.ReadVar[uint64](r.Script(), "calls"); err != nil || calls != 2 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestTraceOfOneHitEachEndsBehindTheLast(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "ktrap", "trace", "vfs_read", "vfs_read%return", "--once").Output()
	if lines := strings.Count(string(out), "\n"); err != nil || lines != 2 {
		t.Errorf("%v, %d lines:\n%s", err, lines, out)
	}
}

func TestAPostHandlerIsNotForOneHit(t *testing.T) {
	p := &ktrap.Probe{Symbol: umask, Once: true, Post: ktrap.Func(func(*ktrap.Event) {})}
	if _, err := open(t).Plan(t.Context(), p); err == nil || !strings.Contains(err.Error(), "can't be for one hit") {
		t.Error(err)
	}
}
