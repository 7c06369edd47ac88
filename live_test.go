//go:build live

package ktrap_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ktrap"
	"ktrap/symbols"
)

// These tests run as root on a real kernel, in the lab.

// open returns a session, and checks at the end that the kernel is as it was.
func open(t *testing.T) *ktrap.Session {
	t.Helper()
	before := armed(t)
	s, err := ktrap.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if diff := cmp.Diff(before, armed(t)); diff != "" {
			t.Errorf("the kernel is not as it was found, -before +after:\n%s", diff)
		}
	})
	return s
}

// armed lists the probes that the kernel has now.
func armed(t *testing.T) string {
	t.Helper()
	var all []byte
	for _, name := range []string{"/sys/kernel/debug/kprobes/list", "/sys/kernel/tracing/enabled_functions", "/sys/kernel/tracing/kprobe_events"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return string(all)
}

func register(t *testing.T, s *ktrap.Session, probes ...*ktrap.Probe) []*ktrap.Registration {
	t.Helper()
	regs, err := s.Register(t.Context(), probes...)
	if err != nil {
		t.Fatal(err)
	}
	return regs
}

// during registers what is to be there first, and collects the events of s while
// do runs.
func during(t *testing.T, s *ktrap.Session, do func(), first ...*ktrap.Probe) []*ktrap.Event {
	t.Helper()
	if len(first) > 0 {
		register(t, s, first...)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		do()
	}()
	var events []*ktrap.Event
	for ev, err := range s.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, ev)
	}
	return events
}

const umask = "__x64_sys_umask"

func callUmask(n int) {
	for range n {
		unix.Umask(0o22)
	}
}

func ledger(t *testing.T, r *ktrap.Registration) ktrap.Ledger {
	t.Helper()
	l, err := r.Ledger()
	if err != nil {
		t.Fatal(err)
	}
	if sum := l.Delivered + l.Filtered + l.Cut + l.Missed + l.Recursion + l.Full + l.Unpaired; sum != l.Hits {
		t.Errorf("%s: %d hits, but the parts are %d: %+v", l.Place, l.Hits, sum, l)
	}
	return l
}

func TestAPreHandlerIsCalledWithTheRegistersOfEveryHit(t *testing.T) {
	s := open(t)
	calls := 0
	pid := os.Getpid()
	handler := func(ev *ktrap.Event) {
		calls++
		regs := map[string]uint64{}
		for _, r := range ev.Regs() {
			regs[r.Name] = r.Value
		}
		arg := ev.Args()[0]
		if regs["di"] != arg.Bits || regs["ip"] == 0 || regs["sp"] == 0 || ev.PID != pid {
			t.Errorf("pid %d, argument %v, registers %x", ev.PID, arg, regs)
		}
	}
	r := register(t, s, &ktrap.Probe{Symbol: umask, Regs: true, PID: uint32(pid), Pre: ktrap.Func(handler)})
	during(t, s, func() { callUmask(1000) })
	if calls != 1000 || ledger(t, r[0]).Delivered != 1000 {
		t.Errorf("the handler was called %d times, %+v; want 1000", calls, ledger(t, r[0]))
	}
}

func TestEveryHitOfABurstIsDeliveredOrCountedAsLost(t *testing.T) {
	n := 100_000
	if os.Getenv("KTRAP_DEEP") != "" {
		n = 2_000_000
	}
	for _, way := range []string{"", "kprobe"} {
		t.Run("by "+way, func(t *testing.T) {
			config := ktrap.Config{Mechanism: way}
			s, err := config.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r := register(t, s, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid())})[0]
			events := during(t, s, func() { callUmask(n) })
			l := ledger(t, r)
			if l.Delivered != uint64(len(events)) || l.Delivered+l.Full+l.Missed+l.Recursion < uint64(n) || l.Delivered+l.Full > uint64(n) {
				t.Errorf("%d calls, %d events: %+v", n, len(events), l)
			}
			t.Logf("%d calls: %+v", n, l)
			for i := 1; i < len(events); i++ {
				if events[i].CPU == events[i-1].CPU && events[i].Time.Before(events[i-1].Time) {
					t.Fatalf("event %d is of %v, the one before it on the same CPU of %v", i, events[i].Time, events[i-1].Time)
				}
			}
		})
	}
}

func TestThreadsThatShareACPUDoNotKeepEachOtherOut(t *testing.T) {
	s := open(t)
	r := register(t, s, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid())})[0]
	const threads, calls = 4, 20_000
	during(t, s, func() {
		var all sync.WaitGroup
		for range threads {
			all.Go(func() {
				runtime.LockOSThread()
				callUmask(calls)
			})
		}
		all.Wait()
	})
	l := ledger(t, r)
	t.Logf("%+v", l)
	if l.Hits != threads*calls || l.Delivered < l.Hits*95/100 {
		t.Errorf("%d calls: %+v, want at least 95 %% delivered", threads*calls, l)
	}
}

func TestADisabledProbeIsNotHitAndAnEnabledOneIsAgain(t *testing.T) {
	for _, place := range []ktrap.Probe{{Symbol: umask}, {Symbol: umask, Regs: true}, {Symbol: umask, Return: true}} {
		t.Run(fmt.Sprintf("%s, registers %t", place.Place(), place.Regs), func(t *testing.T) {
			s := open(t)
			before := armed(t)
			place.PID = uint32(os.Getpid())
			r := register(t, s, &place)[0]
			events := during(t, s, func() {
				callUmask(10)
				must(t, r.Disable())
				if diff := cmp.Diff(before, armed(t)); diff != "" {
					t.Errorf("a disabled probe is still armed, -before +now:\n%s", diff)
				}
				callUmask(100)
				must(t, r.Enable())
				callUmask(1)
				must(t, r.Unregister())
				callUmask(1000)
				if r.Enable() == nil {
					t.Error("an unregistered probe was enabled")
				}
			})
			if len(events) != 11 {
				t.Errorf("%d events, want the 10 before Disable and the 1 after Enable", len(events))
			}
			ledger(t, r)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func TestTheSymbolCanBeChangedWhileEventsAreRead(t *testing.T) {
	s := open(t)
	pid := uint32(os.Getpid())
	first := register(t, s, &ktrap.Probe{Symbol: umask, PID: pid})[0]
	events := during(t, s, func() {
		callUmask(3)
		must(t, first.Unregister())
		if _, err := s.Register(t.Context(), &ktrap.Probe{Symbol: "__x64_sys_getpgid", PID: pid}); err != nil {
			t.Error(err)
		}
		callUmask(100)
		unix.Getpgid(0)
	})
	got := places(events)
	if diff := cmp.Diff(map[string]int{umask: 3, "__x64_sys_getpgid": 1}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestChangingProbesForLongHoldsNothing(t *testing.T) {
	s := open(t)
	pid := uint32(os.Getpid())
	files := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(fds)
	}
	var before, after int
	events := during(t, s, func() {
		for i := range 20 {
			regs, err := s.Register(t.Context(), &ktrap.Probe{Symbol: umask, PID: pid})
			if err != nil {
				t.Error(err)
				return
			}
			callUmask(1)
			must(t, regs[0].Unregister())
			time.Sleep(20 * time.Millisecond) // for the event to be read
			if i == 2 {
				before = files()
			}
		}
		after = files()
	}, &ktrap.Probe{Symbol: "vfs_fsync", PID: pid})
	if len(events) != 20 || after > before+3 {
		t.Errorf("%d events, want 20; %d files were open after 3 changes and %d after 20", len(events), before, after)
	}
	if ledgers, err := s.Ledgers(); err != nil || len(ledgers) != 21 || ledgers[1].Delivered != 1 {
		t.Errorf("%d ledgers, %v: %+v", len(ledgers), err, ledgers)
	}
}

func TestClosingASessionEndsTheLoopOverItsEvents(t *testing.T) {
	s := open(t)
	register(t, s, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid())})
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for range s.Events(t.Context()) {
		}
	}()
	callUmask(100)
	must(t, s.Close())
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the loop still runs")
	}
	if _, err := s.Register(t.Context(), &ktrap.Probe{Symbol: umask}); err == nil {
		t.Error("a closed session took a probe")
	}
}

func TestALoopThatIsBrokenOffIsFollowedByAnother(t *testing.T) {
	s := open(t)
	r := register(t, s, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid())})[0]
	callUmask(100)
	for _, err := range s.Events(t.Context()) {
		must(t, err)
		if ledger(t, r).Delivered == 10 {
			for _, err := range s.Events(t.Context()) {
				if err == nil {
					t.Error("two loops read at once")
				}
			}
			break
		}
	}
	if rest := during(t, s, func() { callUmask(1) }); len(rest) != 91 {
		t.Errorf("%d events came after the first 10, want 91", len(rest))
	}
	if _, err := s.Register(t.Context(), &ktrap.Probe{Symbol: umask}); err == nil {
		t.Error("a session whose events have ended took a probe")
	}
}

func places(events []*ktrap.Event) map[string]int {
	n := map[string]int{}
	for _, ev := range events {
		n[ev.Place]++
	}
	return n
}

func TestAllProbesAreRegisteredOrNone(t *testing.T) {
	s := open(t)
	before := armed(t)
	var missing *symbols.NotFoundError
	_, err := s.Register(t.Context(), &ktrap.Probe{Symbol: umask}, &ktrap.Probe{Symbol: "unix_stream_conect"})
	if !errors.As(err, &missing) || !slices.Contains(missing.Suggestions, "unix_stream_connect") {
		t.Errorf("the error is %v, want one that suggests unix_stream_connect", err)
	}
	if diff := cmp.Diff(before, armed(t)); diff != "" {
		t.Errorf("something was armed:\n%s", diff)
	}
}

func TestAPatternsProbesTellTheirFunctionsApart(t *testing.T) {
	s := open(t)
	probes, err := s.Probes("__x64_sys_get[pr]*", ktrap.Probe{PID: uint32(os.Getpid())})
	if err != nil {
		t.Fatal(err)
	}
	register(t, s, probes...)
	events := during(t, s, func() {
		for range 7 {
			unix.Getpgid(0)
		}
		for range 5 {
			unix.Getpriority(unix.PRIO_PROCESS, 0)
		}
		for range 3 {
			var r unix.Rusage
			unix.Getrusage(unix.RUSAGE_SELF, &r)
		}
	})
	got := places(events)
	want := map[string]int{"__x64_sys_getpgid": 7, "__x64_sys_getpriority": 5, "__x64_sys_getrusage": 3}
	for place, n := range want {
		if got[place] != n {
			t.Errorf("%s: %d events, want %d (all: %v)", place, got[place], n, got)
		}
	}
	if ledgers, err := s.Ledgers(); err != nil || len(ledgers) < 5 {
		t.Errorf("%d ledgers, %v", len(ledgers), err)
	}
}

func TestProbesOfOnePlaceEachSeeEveryHit(t *testing.T) {
	s := open(t)
	pid := uint32(os.Getpid())
	var probes []*ktrap.Probe
	for _, name := range []string{umask, umask, "__x64_sys_getpgid", "__x64_sys_getpriority", umask} {
		probes = append(probes, &ktrap.Probe{Symbol: name, PID: pid})
	}
	regs := register(t, s, probes...)
	during(t, s, func() { callUmask(10) })
	for i, want := range []uint64{10, 10, 0, 0, 10} {
		if l := ledger(t, regs[i]); l.Delivered != want {
			t.Errorf("probe %d: %+v, want %d delivered", i, l, want)
		}
	}
}

func TestAPatternReachesFunctionsUnderEachOfTheirNames(t *testing.T) {
	s := open(t)
	probes, err := s.Probes("__*_sys_getppid", ktrap.Probe{})
	if err != nil {
		t.Fatal(err)
	}
	if len(probes) != 1 || len(s.Skipped()) == 0 {
		t.Errorf("%d probes and %d left out, want one probe: the others are its names", len(probes), len(s.Skipped()))
	}
	for _, p := range probes {
		p.Optional = false
	}
	if _, err := s.Plan(t.Context(), probes...); err != nil {
		t.Error(err)
	}
}

func TestArgumentsAndResultsHaveNamesTypesAndValues(t *testing.T) {
	s := open(t)
	pid := uint32(os.Getpid())
	register(t, s,
		&ktrap.Probe{Symbol: "do_sys_openat2", PID: pid, Show: "how.flags,dfd"},
		&ktrap.Probe{Symbol: "vfs_read", Return: true, PID: pid},
		&ktrap.Probe{Symbol: "vfs_read", PID: pid, Regs: true, Show: "file.f_flags"})
	name := filepath.Join(t.TempDir(), "a file that is not there")
	zero, err := syscall.Open("/dev/zero", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	events := during(t, s, func() {
		syscall.Open(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		syscall.Read(zero, make([]byte, 777))
	})
	var seen []string
	for _, ev := range events {
		switch {
		case ev.Place == "do_sys_openat2" && ev.Args()[1].Text == name:
			seen = append(seen, fmt.Sprint(ev.Args()[0], " ", ev.Args()[1].Type, " ", ev.Show()[0].Bits&unix.O_DIRECTORY != 0, " ", ev.Show()[1]))
		case ev.Kind == ktrap.Return:
			if v, ok := ev.Retval(); ok && v.Bits == 777 {
				seen = append(seen, v.Type)
			}
		case ev.Place == "vfs_read" && ev.Args()[2].Bits == 777:
			seen = append(seen, fmt.Sprint(ev.Args()[2], " ", ev.Args()[3].Type))
		}
	}
	slices.Sort(seen)
	want := []string{"count=777 loff_t *", "dfd=-100 const char * true dfd=-100", "ssize_t"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("-want +got:\n%s\nof %d events", diff, len(events))
	}
}

func TestAReturnedStructHasBothItsWords(t *testing.T) {
	s := open(t)
	pid := uint32(os.Getpid())
	register(t, s,
		&ktrap.Probe{Symbol: "current_time", Return: true, PID: pid, Optional: true},
		&ktrap.Probe{Symbol: "inode_set_ctime_current", Return: true, PID: pid, Optional: true}) // since 6.6
	name := filepath.Join(t.TempDir(), "file")
	events := during(t, s, func() { os.WriteFile(name, []byte("x"), 0o600) })
	if len(events) == 0 {
		t.Fatal("no events")
	}
	for _, ev := range events {
		v, _ := ev.Retval()
		if len(v.Fields) != 2 || time.Since(time.Unix(int64(v.Fields[0].Bits), 0)).Abs() > time.Hour || v.Fields[1].Bits >= 1e9 {
			t.Errorf("%s returned %v, want the time as seconds and nanoseconds", ev.Place, v)
		}
	}
}

func TestAFunctionIsTypedUnderEachOfItsNames(t *testing.T) {
	s := open(t)
	plan, err := s.Plan(t.Context(), &ktrap.Probe{Symbol: "__x64_sys_getppid"}, &ktrap.Probe{Symbol: "__do_sys_getppid"})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range plan.Steps {
		for i, why := range step.Untyped {
			if why != "" {
				t.Errorf("%s: %s", step.Places[i], why)
			}
		}
	}
}

func TestAStackIsSymbolised(t *testing.T) {
	s := open(t)
	register(t, s, &ktrap.Probe{Symbol: "vfs_read", PID: uint32(os.Getpid()), Stack: true})
	events := during(t, s, func() {
		f, err := os.Open("/dev/zero")
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		f.Read(make([]byte, 1))
	})
	for _, ev := range events {
		var names []string
		for _, f := range ev.Stack() {
			names = append(names, f.Symbol)
		}
		if len(names) > 2 && names[0] == "vfs_read" && ev.Stack()[0].Addr == ev.Addr && names[1] == "ksys_read" && slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "entry_SYSCALL_64") }) {
			return
		}
		t.Logf("stack: %v", names)
	}
	t.Errorf("no stack of %d leads from vfs_read to the system call", len(events))
}

func TestFilteredHitsAreCounted(t *testing.T) {
	s := open(t)
	r := register(t, s,
		&ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid())},
		&ktrap.Probe{Symbol: umask, PID: 1 << 30},
		&ktrap.Probe{Symbol: umask, Comm: "nobody"},
		&ktrap.Probe{Symbol: umask, Comm: "filtered"})
	during(t, s, func() {
		runtime.LockOSThread() // and never unlocked: the name ends with the thread
		must(t, os.WriteFile("/proc/thread-self/comm", []byte("filtered"), 0))
		callUmask(50)
	})
	for _, own := range []*ktrap.Registration{r[0], r[3]} {
		if l := ledger(t, own); l.Delivered != 50 {
			t.Errorf("our own: %+v", l)
		}
	}
	for _, other := range r[1:3] {
		if l := ledger(t, other); l.Filtered < 50 || l.Delivered != 0 {
			t.Errorf("others': %+v, want all filtered", l)
		}
	}
}

func TestWhatIsNotReadIsCountedAsCut(t *testing.T) {
	s := open(t)
	r := register(t, s, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid())})[0]
	callUmask(100)
	for _, err := range s.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	must(t, s.Close())
	if l := ledger(t, r); l.Delivered != 1 || l.Cut != 99 {
		t.Errorf("after one of 100 events was read: %+v", l)
	}
}

func TestEveryInstructionOfAFunctionIsProbedOrRefusedWithAReason(t *testing.T) {
	s := open(t)
	live := symbols.Open(symbols.Options{})
	defer live.Close()
	sym, err := live.Lookup("", "unix_stream_connect")
	if err != nil {
		t.Fatal(err)
	}
	end := sym[0].Size
	if os.Getenv("KTRAP_DEEP") == "" {
		end = min(end, 200)
	}
	for off := range end {
		p := &ktrap.Probe{Symbol: "unix_stream_connect", Offset: off, Regs: true}
		_, planErr := s.Plan(t.Context(), p)
		regs, err := s.Register(t.Context(), p)
		if err != nil && strings.Contains(err.Error(), "the kernel refused") {
			t.Errorf("+%#x: only the kernel knew: %v", off, err)
		}
		if planErr != nil && (err == nil || err.Error() != planErr.Error()) {
			t.Errorf("+%#x: the plan says %v, registering %v", off, planErr, err)
		}
		for _, r := range regs {
			must(t, r.Unregister())
		}
	}
}

// TestARangeIsAProbeForEachInstruction follows a function that has no branches at
// its start: a call of it hits them all, in order.
func TestARangeIsAProbeForEachInstruction(t *testing.T) {
	s := open(t)
	probes, err := s.Probes(umask+"+0..0x1c", ktrap.Probe{PID: uint32(os.Getpid())})
	if err != nil || len(probes) < 3 {
		t.Fatalf("%d probes, %v", len(probes), err)
	}
	events := during(t, s, func() { callUmask(1) }, probes...)
	var got, want []string
	for _, ev := range events {
		got = append(got, ev.Place)
	}
	for _, l := range ledgers(t, s) {
		want = append(want, l.Place)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 3 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := s.Probes(umask+"+0x7777..0x7778", ktrap.Probe{}); err == nil {
		t.Error("a range behind the function has instructions")
	}
}

func ledgers(t *testing.T, s *ktrap.Session) []ktrap.Ledger {
	t.Helper()
	all, err := s.Ledgers()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestADuplicateNameIsRefusedWithItsAddresses(t *testing.T) {
	s := open(t)
	text, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	addrs := map[string][]string{}
	for line := range bytes.Lines(text) {
		f := strings.Fields(string(line))
		if len(f) == 3 && f[1] == "t" {
			addrs[f[2]] = append(addrs[f[2]], f[0])
		}
	}
	for name, at := range addrs {
		if len(at) != 2 || at[0] == at[1] || strings.ContainsAny(name, ".") {
			continue
		}
		var ambiguous *symbols.AmbiguousError
		_, err := s.Register(t.Context(), &ktrap.Probe{Symbol: name})
		if !errors.As(err, &ambiguous) || !strings.Contains(err.Error(), strings.TrimLeft(at[1], "0")) {
			t.Errorf("%s at %v: %v", name, at, err)
		}
		return
	}
	t.Error("this kernel has no name that two functions have")
}

func TestAPlanIsWhatIsThenDone(t *testing.T) {
	s := open(t)
	before := armed(t)
	p := &ktrap.Probe{Symbol: umask}
	plan, err := s.Plan(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, armed(t)); diff != "" {
		t.Errorf("planning armed something:\n%s", diff)
	}
	r := register(t, s, p)[0]
	if plan.Steps[0].Mechanism != r.Mechanism() || plan.Steps[0].Addrs[0] != r.Addr {
		t.Errorf("the plan was %+v, done was %s at %#x", plan.Steps[0], r.Mechanism(), r.Addr)
	}
}

func TestSessionsAtOnceDoNotDisturbEachOther(t *testing.T) {
	var wrong atomic.Int64
	t.Run("group", func(t *testing.T) {
		for i := range 3 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				s, err := ktrap.Open(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				register(t, s, &ktrap.Probe{Symbol: umask, PID: uint32(os.Getpid())})
				events := during(t, s, func() {
					runtime.LockOSThread()
					callUmask(200)
					time.Sleep(10 * time.Millisecond)
				})
				if len(events) < 200 {
					wrong.Add(1)
				}
			})
		}
	})
	if wrong.Load() > 0 {
		t.Errorf("%d of 3 sessions missed events", wrong.Load())
	}
}

func TestEventsAreValidJSONAsValues(t *testing.T) {
	s := open(t)
	register(t, s, &ktrap.Probe{Symbol: "vfs_read", PID: uint32(os.Getpid()), Structs: true})
	events := during(t, s, func() { os.ReadFile("/proc/version") })
	for _, ev := range events {
		for _, v := range ev.Args() {
			if text, err := json.Marshal(v); err != nil {
				t.Errorf("%v: %s, %v", v, text, err)
			}
		}
	}
	if len(events) == 0 {
		t.Error("no events")
	}
}
