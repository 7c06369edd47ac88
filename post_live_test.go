//go:build live

package ktrap_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap"
)

// step registers a post-handler at each instruction of places, and returns what
// happened while do ran.
func step(t *testing.T, s *ktrap.Session, like ktrap.Probe, do func(), places ...string) (events []*ktrap.Event, regs []*ktrap.Registration) {
	t.Helper()
	like.Post = ktrap.Func(func(*ktrap.Event) {})
	var probes []*ktrap.Probe
	for _, place := range places {
		some, err := s.Probes(place, like)
		if err != nil {
			t.Fatal(err)
		}
		probes = append(probes, some...)
	}
	regs = register(t, s, probes...)
	return during(t, s, do), regs
}

// whole is the range of all of a function's instructions.
func whole(t *testing.T, s *ktrap.Session, name string) string {
	t.Helper()
	k, err := ktrap.KernelConfig{}.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	d, err := k.Disassemble(name, ktrap.Disassembler{})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s+0..%#x", name, d.Lines[len(d.Lines)-1].Offset)
}

func named(regs []ktrap.Register) map[string]uint64 {
	all := map[string]uint64{}
	for _, r := range regs {
		all[r.Name] = r.Value
	}
	return all
}

func TestWhatAnInstructionLeavesIsWhatTheNextOneFinds(t *testing.T) {
	s := open(t)
	var left map[string]uint64
	steps, follow, entry := 0, 0, false
	events, regs := step(t, s, ktrap.Probe{PID: uint32(os.Getpid())}, func() { callUmask(200) }, whole(t, s, umask))
	for _, ev := range events {
		was, now := named(ev.Was()), named(ev.Regs())
		if was["ip"] != ev.Addr || ev.Kind != ktrap.Post {
			t.Fatalf("%s: %v with ip %#x, want a post event at %#x", ev.Place, ev.Kind, was["ip"], ev.Addr)
		}
		// A call, or a return, leads out of the function.
		if left != nil && left["ip"] == ev.Addr {
			follow++
			if entry { // up to 6.12 what saves registers for ftrace has no r11
				delete(left, "r11")
			}
			for name, value := range left {
				if was[name] != value && name != "flags" {
					t.Errorf("%s: %s was %#x, the instruction before it left %#x", ev.Place, name, was[name], value)
				}
			}
			if (was["flags"]^left["flags"])&0xcd5 != 0 {
				t.Errorf("%s: the flags were %#x, the instruction before it left %#x", ev.Place, was["flags"], left["flags"])
			}
		}
		left, entry = now, ev.Addr == regs[0].Addr
		steps++
	}
	if steps < 200*5 || follow < steps/2 {
		t.Errorf("%d steps, of which %d follow another: too few", steps, follow)
	}
	for _, r := range regs {
		if l := ledger(t, r); l.Unpaired+l.Full != 0 || l.Delivered == 0 && l.Hits != 0 {
			t.Errorf("%s: %+v", r.Instruction(), l)
		}
	}
	t.Logf("%d steps of %d instructions, %d places left out", steps, len(regs), len(s.Skipped()))
	for _, skipped := range s.Skipped() {
		t.Log(skipped.Err)
	}
}

// TestWhatIsShownIsEvaluatedOnBothSides watches the word that umask swaps: at the
// swap it changes, elsewhere it does not, and a condition picks executions.
func TestWhatIsShownIsEvaluatedOnBothSides(t *testing.T) {
	s := open(t)
	place := umask + "@insn(^xchg)"
	k, err := ktrap.KernelConfig{}.Open()
	must(t, err)
	defer k.Close()
	d, err := k.Disassemble(place, ktrap.Disassembler{})
	must(t, err)
	found := regexp.MustCompile(`%e?(\w+),(0x\w+)\(%r(\w+)\)`).FindStringSubmatch(d.Lines[0].Text)
	if found == nil {
		t.Fatalf("no operands in %s", d.Lines[0].Text)
	}
	word := fmt.Sprintf("*cast[uint32](r.%s + %s)", found[3], found[2])
	old := unix.Umask(0o22)
	defer unix.Umask(old)
	do := func() {
		for _, mask := range []int{0o17, 0o22, 0o17, 0o22} {
			unix.Umask(mask)
		}
	}
	like := ktrap.Probe{PID: uint32(os.Getpid()), Show: word, If: "r." + found[1] + " & 0xff == 0o17"}
	events, _ := step(t, s, like, do, place)
	if len(events) != 2 {
		t.Fatalf("%d executions with 0o17, want 2", len(events))
	}
	for _, ev := range events {
		was, now := ev.Show(), ev.ShowAfter()
		if len(was) != 1 || len(now) != 1 || was[0].Bits != 0o22 || now[0].Bits != 0o17 {
			t.Errorf("%s went from %v to %v, want 18 to 15", word, was, now)
		}
	}
}

func TestAPostHandlerIsCalledBesidesThePreHandler(t *testing.T) {
	s := open(t)
	var order []ktrap.Kind
	note := ktrap.Func(func(ev *ktrap.Event) { order = append(order, ev.Kind) })
	events := during(t, s, func() { callUmask(1) }, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid()), Pre: note, Post: note})
	if !slices.Equal(order, []ktrap.Kind{ktrap.Pre, ktrap.Post}) || len(events) != 2 {
		t.Errorf("called for %v, %d events; want pre, post", order, len(events))
	}
}
