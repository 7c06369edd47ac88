//go:build live

package ktrap_test

import (
	"context"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ktrap"
)

// TestNoPostHandlerIsGivenAnotherExecutionsRegisters steps through all of a function
// that calls itself, in two threads at once, while timers and signals interrupt them
// and they are moved from CPU to CPU. A thread does one thing after the other; so what
// an instruction left must be what the thread's next one finds, wherever that is: this
// does not depend on how pairs are made.
func TestNoPostHandlerIsGivenAnotherExecutionsRegisters(t *testing.T) {
	want := 20_000
	if os.Getenv("KTRAP_DEEP") != "" {
		want = 1_000_000
	}
	s := open(t)
	const function = "ep_loop_check_proc"
	probes, err := s.Probes(whole(t, s, function), ktrap.Probe{PID: uint32(os.Getpid()), Post: ktrap.Func(func(*ktrap.Event) {})})
	must(t, err)
	regs := register(t, s, probes...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen atomic.Int64 // when the latest event was
	stop := recurse(t, &seen)
	threads := map[int]*walk{}
	pairs, followed, nested := 0, 0, 0
	for ev, err := range s.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind != ktrap.Post {
			continue
		}
		w := threads[ev.TID]
		if w == nil {
			w = new(walk)
			threads[ev.TID] = w
		}
		if follows, wrong := w.step(ev, regs[0].Addr); wrong != "" {
			t.Errorf("%s %s: %s is not what the instruction before it left", ev.Place, ev.Registration.Instruction(), wrong)
		} else if follows {
			followed++
		}
		if w.recursed {
			nested++
		}
		seen.Store(ev.Time.UnixNano())
		if pairs++; followed >= want && ctx.Err() == nil {
			stop()
			cancel()
		}
	}
	var missed, unpaired, lost uint64
	for _, r := range regs {
		l := ledger(t, r)
		missed, unpaired, lost = missed+l.Missed+l.Recursion, unpaired+l.Unpaired, lost+l.Full
	}
	if followed < want || nested == 0 || len(threads) < 2 {
		t.Errorf("%d pairs of %d threads, %d shown right by what follows, want %d; %d calls of itself", pairs, len(threads), followed, want, nested)
	}
	t.Logf("%d pairs of %d instructions, %d shown right, %d calls of itself, %d missed, %d unpaired, %d lost", pairs, len(regs), followed, nested, missed, unpaired, lost)
}

// walk is a thread's way through a function.
type walk struct {
	left     []ktrap.Register // by its last instruction
	ftrace   bool
	entered  uint64 // the stack pointer of the latest entry
	recursed bool   // this is an entry within another call, up to 5.10 not a direct one
}

// step takes the thread's next execution. It follows if the last one led to it.
func (w *walk) step(ev *ktrap.Event, entry uint64) (follows bool, wrong string) {
	follows = ev.Lost == 0 && slices.Contains(w.left, ktrap.Register{Name: "ip", Value: ev.Addr})
	if w.recursed = false; ev.Addr == entry {
		sp := named(ev.Was())["sp"]
		w.recursed, w.entered = sp < w.entered && w.entered-sp < 1024, sp
	}
	if follows {
		wrong = differs(w.left, ev.Was(), w.ftrace || ev.Addr == entry)
	}
	w.left, w.ftrace = ev.Regs(), ev.Addr == entry
	return follows, wrong
}

// differs names a register that is not the same. Up to 6.12 what saves registers for
// ftrace has no r11.
func differs(left, was []ktrap.Register, ftrace bool) string {
	const computed = 0xcd5 // of the flags
	for i, l := range left {
		switch {
		case l.Name == "flags" && (was[i].Value^l.Value)&computed == 0, l.Name == "r11" && ftrace:
		case was[i] != l:
			return l.Name
		}
	}
	return ""
}

// recurse has two threads ask the kernel for circles in chains of epoll files, until
// stop is called. They go slower where what they make is seen late.
func recurse(t *testing.T, seen *atomic.Int64) (stop func()) {
	done := make(chan struct{})
	var work sync.WaitGroup
	ended := func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	for range 2 {
		work.Go(func() {
			runtime.LockOSThread()
			for i := 0; !ended(); i++ {
				nestPolls(t)
				moveTo(i % runtime.NumCPU())
				for late := 0; late < 20 && time.Since(time.Unix(0, seen.Load())) > 100*time.Millisecond; late++ {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	work.Go(func() {
		for !ended() {
			time.Sleep(time.Millisecond)
			_ = unix.Kill(os.Getpid(), unix.SIGURG)
		}
	})
	return func() { close(done); work.Wait() }
}
