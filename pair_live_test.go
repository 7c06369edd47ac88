//go:build live

package ktrap_test

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ktrap"
)

// masking pairs calls of umask and, by how deep the thread is in it, of a function
// that calls itself. What belongs to another call is wrong.
const masking = `package trap

type seen struct {
	mask   uint64
	thread uint32
	number uint64
}

var (
	only                uint32
	right, wrong, calls uint64
)

//ktrap:pre __x64_sys_umask
func begin(regs *pt_regs) (seen, bool) {
	calls++
	return seen{regs.di, tid(), nsecs()}, pid() == only
}

//ktrap:ret __x64_sys_umask
func end(e seen, regs *pt_regs, rv int64) {
	if e.thread == tid() && e.mask == regs.di && e.number < nsecs() {
		right++
	} else {
		wrong++
	}
}
`

// nesting has the innermost of a thread's calls return first. Some may be missed:
// the kernel follows only so many returns at once.
const nesting = `
var latest map[uint32]uint64
var nested, nestedWrong uint64

//ktrap:pre ep_loop_check_proc
func enter() uint64 {
	now := nsecs()
	latest[tid()] = now
	return now
}

//ktrap:ret ep_loop_check_proc
func leave(e uint64, rv int32) {
	if e > latest[tid()] {
		nestedWrong++
	}
	latest[tid()] = e - 1
	nested++
}
`

// Two threads call while timers interrupt them, signals reach them and they are
// moved from CPU to CPU.
func TestNoReturnIsPairedWithAnotherCallsEntry(t *testing.T) {
	calls := 20_000
	if os.Getenv("KTRAP_DEEP") != "" {
		calls = 500_000
	}
	for _, mechanism := range []string{"", "kprobe"} {
		t.Run("by "+mechanism, func(t *testing.T) {
			s, err := ktrap.Config{Mechanism: mechanism}.Open(t.Context())
			must(t, err)
			t.Cleanup(func() { must(t, s.Close()) })
			text := masking
			if _, err := s.Probes("ep_loop_check_proc", ktrap.Probe{}); err == nil && mechanism != "" {
				text += nesting
			}
			script, err := s.Script(ktrap.HandlerFile{Name: "pairs.go", Text: []byte(text), Set: map[string]string{"only": fmt.Sprint(os.Getpid())}})
			must(t, err)
			must(t, script.Run(t.Context()))
			hammer(t, calls)
			tables, err := script.Tables()
			must(t, err)
			got := numbers(tables)
			if got["wrong"] != 0 || got["nestedWrong"] != 0 {
				t.Errorf("%v: wrong pairs", got)
			}
			var unpaired, missed uint64
			for _, r := range script.Registrations() {
				l, err := r.Ledger()
				must(t, err)
				unpaired, missed = unpaired+l.Unpaired, missed+l.Missed+l.Recursion
				if l.Hits != l.Handled+l.Filtered+l.Unpaired+l.Missed+l.Recursion {
					t.Errorf("%+v does not add up", l)
				}
			}
			if want := uint64(2 * calls); got["right"]+unpaired+missed < want || got["right"] > want {
				t.Errorf("%v, %d unpaired, %d missed, of %d calls", got, unpaired, missed, want)
			}
			t.Log(got, "unpaired", unpaired, "missed", missed)
		})
	}
}

// numbers are the variables of a script that hold one.
func numbers(tables []ktrap.Table) map[string]uint64 {
	m := map[string]uint64{}
	for _, table := range tables {
		if table.Value != nil {
			m[table.Name] = table.Value.Bits
		}
	}
	return m
}

// hammer calls umask from two threads, with all that may come in between.
func hammer(t *testing.T, calls int) {
	done := make(chan struct{})
	var work, noise sync.WaitGroup
	for range 2 {
		work.Go(func() {
			runtime.LockOSThread()
			for i := range calls {
				unix.Umask(i % 0o777)
				if i%500 == 0 {
					moveTo(i / 500 % runtime.NumCPU())
				}
				if i%5000 == 0 {
					nestPolls(t)
				}
			}
		})
	}
	noise.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				unix.Kill(os.Getpid(), unix.SIGURG) // the runtime's own, and harmless
			}
		}
	})
	work.Wait()
	close(done)
	noise.Wait()
}

func moveTo(cpu int) {
	var set unix.CPUSet
	set.Set(cpu)
	_ = unix.SchedSetaffinity(0, &set) // one CPU is a load as well
}

// nestPolls has the kernel look for a circle in a chain of epoll files.
func nestPolls(t *testing.T) {
	var chain []int
	for range 4 {
		fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		must(t, err)
		if n := len(chain); n > 0 {
			must(t, unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, chain[n-1], &unix.EpollEvent{Events: unix.EPOLLIN}))
		}
		chain = append(chain, fd)
	}
	for _, fd := range chain {
		must(t, unix.Close(fd))
	}
}

// A call that had begun before its probe was armed returns unpaired.
func TestAReturnWhoseEntryWasNotSeenIsUnpaired(t *testing.T) {
	const text = `package trap

var pairs uint64
var only uint32

//ktrap:pre __x64_sys_nanosleep
func begin() (uint64, bool) { return nsecs(), pid() == only }

//ktrap:ret __x64_sys_nanosleep
func end(e uint64, rv int64) { pairs++ }
`
	for _, mechanism := range []string{"", "kprobe"} {
		t.Run("by "+mechanism, func(t *testing.T) {
			s, err := ktrap.Config{Mechanism: mechanism}.Open(t.Context())
			must(t, err)
			t.Cleanup(func() { must(t, s.Close()) })
			script, err := s.Script(ktrap.HandlerFile{Name: "sleeps.go", Text: []byte(text), Set: map[string]string{"only": fmt.Sprint(os.Getpid())}})
			must(t, err)
			must(t, script.Run(t.Context()))
			entry, ret := script.Registrations()[0], script.Registrations()[1]
			must(t, entry.Disable())
			asleep := make(chan struct{})
			go func() {
				defer close(asleep)
				ts := unix.NsecToTimespec(int64(2 * time.Second))
				_ = unix.Nanosleep(&ts, nil)
			}()
			time.Sleep(500 * time.Millisecond)
			must(t, entry.Enable())
			<-asleep
			l, err := ret.Ledger()
			must(t, err)
			if l.Unpaired == 0 || l.Complete {
				t.Errorf("%+v, want a return without its entry", l)
			}
		})
	}
}

// A return that nobody saw leaves its call's entry behind, where the thread's next
// call stands: so on 5.10; on 6.12 system calls begin at random depths of the stack,
// and rarely at the same.
func TestWhatACallLeftWhileItsReturnWasDisabledIsForgotten(t *testing.T) {
	const text = `package trap

var wrong uint64
var only, phase uint32

//ktrap:pre __x64_sys_nanosleep
func begin() (uint32, bool) { return phase, pid() == only }

//ktrap:ret __x64_sys_nanosleep
func end(e uint32, rv int64) {
	if e != phase {
		wrong++
	}
}
`
	s, err := ktrap.Config{Mechanism: "kprobe"}.Open(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	script, err := s.Script(ktrap.HandlerFile{Name: "sleeps.go", Text: []byte(text), Set: map[string]string{"only": fmt.Sprint(os.Getpid())}})
	must(t, err)
	must(t, script.Run(t.Context()))
	entry, ret := script.Registrations()[0], script.Registrations()[1]
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	sleep := func(d time.Duration) {
		ts := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&ts, nil)
	}
	seen := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() { seen <- ret.Disable() })
	sleep(time.Second) // its entry is seen, and its return is not
	must(t, <-seen)
	must(t, entry.Disable())
	must(t, script.Set("phase", "1"))
	must(t, ret.Enable())
	sleep(time.Millisecond) // its return is seen, and its entry is not
	tables, err := script.Tables()
	must(t, err)
	l, err := ret.Ledger()
	must(t, err)
	if wrong := numbers(tables)["wrong"]; wrong != 0 || l.Unpaired == 0 {
		t.Errorf("%d wrong pairs; %+v, want a return without its entry", wrong, l)
	}
}
