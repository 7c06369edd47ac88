//go:build live

package ktrap_test

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap"
)

// A step is what an instruction did to the registers.
type oneStep struct {
	addr     uint64
	was, now string
}

// registers in the order in which the handler below emits them.
var registers = strings.Fields("ax bx cx dx si di bp sp r8 r9 r10 r11 r12 r13 r14 r15 ip flags")

func emitAll(of string) string {
	return of + "." + strings.Join(registers, ", "+of+".")
}

func values(vs []ktrap.Value) string {
	var all []string
	for i, v := range vs {
		if registers[i] == "flags" {
			v.Bits &= 0xcd5 // what interrupts leave alone
		}
		all = append(all, fmt.Sprintf("%s=%x", registers[i], v.Bits))
	}
	return strings.Join(all, " ")
}

func picked(regs []ktrap.Register) string {
	byName := named(regs)
	vs := make([]ktrap.Value, len(registers))
	for i, name := range registers {
		vs[i].Bits = byName[name]
	}
	return values(vs)
}

// TestAPostHandlerInTheKernelIsToldWhatOneInTheProgramIs compares both ways at each
// instruction of a function: hit by hit, all registers.
func TestAPostHandlerInTheKernelIsToldWhatOneInTheProgramIs(t *testing.T) {
	t.Run("umask", func(t *testing.T) { compareSteps(t, whole(t, nil, umask), func() { callUmask(100) }) })
	t.Run("connect", func(t *testing.T) { compareSteps(t, "unix_stream_connect+0..0x50", connects) })
}

// connects fails to connect, often.
func connects() {
	for range 50 {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return
		}
		unix.Connect(fd, &unix.SockaddrUnix{Name: "/no/such"})
		unix.Close(fd)
	}
}

func compareSteps(t *testing.T, place string, do func()) {
	s := open(t)
	text := fmt.Sprintf("package trap\n\n//ktrap:post\nfunc after(r, was *regs) {\n\tif pid() == %d {\n\t\temit(%s, %s)\n\t}\n}\n",
		os.Getpid(), emitAll("was"), emitAll("r"))
	script, err := s.Script(ktrap.HandlerFile{Name: "after.go", Text: []byte(text), Place: place})
	must(t, err)
	must(t, script.Run(t.Context()))
	got, want := map[oneStep]int{}, map[oneStep]int{}
	events, regs := step(t, s, ktrap.Probe{PID: uint32(os.Getpid())}, do, place)
	for _, ev := range events {
		if ev.Kind != ktrap.Post {
			t.Fatalf("%s: %v, want post", ev.Place, ev.Kind)
		}
		if sent := ev.Emitted(); sent != nil {
			got[oneStep{ev.Addr, values(sent[:len(registers)]), values(sent[len(registers):])}]++
		} else {
			want[oneStep{ev.Addr, picked(ev.Was()), picked(ev.Regs())}]++
		}
	}
	if len(regs) != len(script.Registrations()) || len(want) < 5 {
		t.Errorf("%d and %d probes, %d different steps", len(regs), len(script.Registrations()), len(want))
	}
	if !maps.Equal(got, want) {
		shown := 0
		for step, n := range want {
			if got[step] != n && shown < 4 {
				shown++
				t.Errorf("%d times in the program and %d in the kernel: %+v", n, got[step], step)
			}
		}
		for step, n := range got {
			if want[step] != n && shown < 8 {
				shown++
				t.Errorf("%d times in the kernel and %d in the program: %+v", n, want[step], step)
			}
		}
	}
	steps := 0
	for _, n := range got {
		steps += n
	}
	t.Logf("%d steps, %d different, at %d instructions", steps, len(got), len(regs))
	for _, r := range script.Registrations() {
		if l := ledger(t, r); l.Unpaired != 0 || l.Handled == 0 && l.Hits != 0 {
			t.Errorf("%+v", l)
		}
	}
}

func TestAPostHandlersPlaceIsItsInstructions(t *testing.T) {
	s := open(t)
	f := ktrap.HandlerFile{Name: "after.go", Text: []byte("package trap\n\nvar n uint64\n\n//ktrap:post " + umask + "@insn(^xchg)\nfunc after(r *regs) {\n\tn++\n\temit(place())\n}\n")}
	script, err := s.Script(f)
	must(t, err)
	must(t, script.Run(t.Context()))
	r := script.Registrations()[0]
	events := during(t, s, func() { callUmask(5) })
	if len(events) < 5 {
		t.Fatalf("%d events", len(events))
	}
	for _, ev := range events {
		if got := ev.Emitted()[0].Text; ev.Place != r.Place() || got != r.Place() || ev.Addr != r.Addr {
			t.Errorf("%s at %#x says it is at %s, want %s", ev.Place, ev.Addr, got, r.Place())
		}
	}
	if l := ledger(t, r); l.Handled != uint64(len(events)) || l.Delivered != l.Handled || l.Hits != l.Handled {
		t.Errorf("%d events, %+v", len(events), l)
	}
}

func TestAPostHandlerThatNobodyCanCallIsRefusedBeforehand(t *testing.T) {
	s := open(t)
	for want, p := range map[string]*ktrap.Probe{
		"has a probe of its own": {Symbol: umask, Pre: ktrap.Func(func(*ktrap.Event) {}), Post: ktrap.Source("package trap\n\nfunc post() {}\n")},
		"a Filter is for Pre":    {Symbol: umask, Post: ktrap.Filter("mask > 1")},
		"has no post handler":    {Symbol: umask, Post: ktrap.Source("package trap\n\nfunc pre() {}\n")},
	} {
		if _, err := s.Plan(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
