//go:build live

package ktrap

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ktrap/internal/disasm"
	"ktrap/internal/kernel"
	"ktrap/symbols"
)

// TestRandomPlacesAreArmedUnderLoadAndNothingIsLeft has probes of all kinds, some
// hundred at a time, at random places of functions that run and of others, of the
// kernel and its modules, while four loads work. The kernel must have nothing to
// complain of, each ledger must add up, and no probe may be left.
//
// KTRAP_SEED repeats a run, KTRAP_BATCH one batch of it.
func TestRandomPlacesAreArmedUnderLoadAndNothingIsLeft(t *testing.T) {
	total := 30
	if os.Getenv("KTRAP_DEEP") != "" {
		total = 20_000
	}
	f := fuzz{sampler: newSampler(t)}
	f.running = f.reached(roots)
	r := registrar{t: t, dir: tracefsDir(t)}
	r.expedite()
	log := followLog(t)
	before := probesNow()
	defer f.optimise(true)
	defer work(t)()
	only := os.Getenv("KTRAP_BATCH")
	for i := 0; f.armed < total && !t.Failed(); i++ {
		b := f.batch(i)
		if only != "" && only != fmt.Sprint(i) {
			f.armed += len(b.probes)
			continue
		}
		f.run(b)
		log.check()
		if left := probesNow(); !slices.Equal(before, left) {
			t.Fatalf("batch %d left probes behind: %d were there before, now\n%s", i, len(before), strings.Join(left, "\n"))
		}
	}
	t.Logf("%d places of %d running functions and others: %d probes, %d refused; hits: %d, seen %d, missed %d, places hit %d",
		len(f.seen), len(f.running), f.armed, f.refused, f.hits, f.delivered, f.missed, f.hit)
}

type fuzz struct {
	*sampler
	running []symbols.Symbol // functions that the loads surely or likely run

	armed, refused, hit     int
	hits, delivered, missed uint64
}

// roots lead to most of what the loads run.
var roots = strings.Fields(`
	ksys_read ksys_write vfs_read vfs_write do_sys_openat2 path_openat vfs_statx do_unlinkat do_renameat2
	unix_stream_connect unix_stream_sendmsg unix_stream_recvmsg unix_accept unix_release_sock __sys_connect __sys_accept4
	tcp_sendmsg_locked tcp_recvmsg tcp_v4_connect tcp_v4_rcv tcp_close inet_csk_accept
	kernel_clone begin_new_exec do_exit do_wait handle_mm_fault do_mmap do_munmap
	__schedule try_to_wake_up do_futex ep_poll hrtimer_interrupt tick_sched_timer update_process_times
	run_timer_softirq rcu_core net_rx_action irq_exit_rcu do_syscall_64 do_user_addr_fault`)

// reached are the functions that roots lead to by direct calls.
func (s *sampler) reached(roots []string) (all []symbols.Symbol) {
	const most = 3000
	seen := map[uint64]bool{}
	add := func(sym symbols.Symbol) {
		if sym.Size != 0 && !seen[sym.Addr] && len(all) < most {
			seen[sym.Addr] = true
			all = append(all, sym)
		}
	}
	for _, name := range roots {
		found, _ := s.k.symbols.Named(name) // no kernel has all
		for _, sym := range found {
			add(sym)
		}
	}
	starts := map[uint64]symbols.Symbol{}
	for _, sym := range s.functions {
		starts[sym.Addr] = sym
	}
	for i := 0; i < len(all); i++ {
		for in := range disasm.Walk(all[i].Addr, s.k.code(all[i])) {
			if flow := in.Flow(nil); flow.Kind == disasm.Call || flow.Kind == disasm.Jump {
				add(starts[flow.Target])
			}
		}
	}
	return all
}

// fuzzBatch is what is armed at once.
type fuzzBatch struct {
	number int
	config Config
	jumps  bool // the kernel may put jumps in the place of breakpoints
	probes []*Probe
}

// batch draws one. Probes that all differ are attached one by one, which takes long:
// so most batches are crowds, whose probes share what attaches them. Most of these do
// without jumps: to write and undo them took the kernel most of the time.
func (f *fuzz) batch(number int) fuzzBatch {
	f.random = rand.New(rand.NewPCG(f.seed, uint64(number)+1))
	b := fuzzBatch{number: number, jumps: number%5 == 0}
	size, kind := 1000, (*fuzz).alike
	switch number % 10 {
	case 0:
		size, kind = 45, (*fuzz).each
	case 5:
		size = 300
	}
	if number%10 != 0 {
		b.config.Guard = []string{"ktrap", "guard"}
	}
	for len(b.probes) < size {
		addr, entry := f.place()
		if addr == 0 || f.seen[addr] {
			continue
		}
		f.seen[addr] = true
		p := &Probe{Addr: addr, Optional: true}
		kind(f, p, entry)
		b.probes = append(b.probes, p)
	}
	return b
}

// run registers the probes of a batch, and takes them away again after a while.
func (f *fuzz) run(b fuzzBatch) {
	f.t.Logf("batch %d", b.number) // first, in case that it is the last
	f.optimise(b.jumps)
	s, err := b.config.Open(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.Close()
	start := time.Now()
	regs, err := s.Register(f.t.Context(), b.probes...)
	if err != nil {
		f.t.Fatal(err)
	}
	attached := time.Since(start)
	f.armed, f.refused = f.armed+len(regs), f.refused+len(s.Skipped())
	for _, skipped := range s.Skipped() {
		if strings.Contains(skipped.Err.Error(), "the kernel refused") {
			f.t.Errorf("%s: only the kernel knew: %v", skipped.Probe.Place(), skipped.Err)
		}
	}
	const armed = time.Second
	ctx, cancel := context.WithTimeout(f.t.Context(), armed)
	defer cancel()
	for _, err := range s.Events(ctx) {
		if err != nil {
			f.t.Fatal(err)
		}
	}
	detached := time.Since(start) - attached - armed
	f.account(s)
	if err := s.Close(); err != nil {
		f.t.Errorf("batch %d: close: %v", b.number, err)
	}
	f.t.Logf("%d probes, %d refused, jumps: %t; attached in %.1fs, detached in %.1fs, all in %.1fs", len(regs), len(s.Skipped()), b.jumps,
		attached.Seconds(), detached.Seconds(), time.Since(start).Seconds())
}

// optimise lets the kernel put jumps in the place of breakpoints, or has it not.
func (f *fuzz) optimise(on bool) {
	value := "0"
	if on {
		value = "1"
	}
	if err := os.WriteFile("/proc/sys/debug/kprobes-optimization", []byte(value), 0); err != nil {
		f.t.Error(err)
	}
}

// each makes p of any kind.
func (f *fuzz) each(p *Probe, entry bool) {
	nothing := Func(func(*Event) {})
	switch kind := f.random.IntN(8); {
	case entry && kind < 3:
		p.Return, p.Quiet = true, kind == 0
	case entry && kind < 5:
		p.Stack = kind == 3
	case kind < 3:
		p.Post, p.Memory = nothing, kind == 0
	case kind < 4:
		p.Pre, p.Post = nothing, nothing
	case kind < 5:
		p.Stack = true
	case kind < 6:
		p.Regs = true
	default:
		p.Quiet = true
	}
}

// alike makes p of a kind of which all record the same.
func (f *fuzz) alike(p *Probe, entry bool) {
	switch kind := f.random.IntN(16); {
	case entry:
		p.Quiet, p.Return = true, kind == 0
	case kind < 2:
		p.Regs = true
	case kind < 4:
		p.Stack = true
	case kind < 6:
		p.Once = true
	case kind < 8: // what is recorded of any hit
	default:
		p.Quiet = true
	}
}

// place draws an address, and tells whether it is to be probed as a function's entry.
func (f *fuzz) place() (addr uint64, entry bool) {
	switch f.random.IntN(10) {
	case 0:
		return f.instruction(f.modules, anything), false
	case 1, 2:
		return f.one(f.functions).Addr, true
	case 3:
		return f.one(f.running).Addr, true
	case 4:
		return f.instruction(f.running, anything), false
	}
	return f.instruction(f.functions, anything), false
}

// account checks the ledgers of a session whose events have ended.
func (f *fuzz) account(s *Session) {
	ledgers, err := s.Ledgers()
	if err != nil {
		f.t.Error(err)
	}
	for _, l := range ledgers {
		sum := l.Delivered + l.Handled + l.Filtered + l.Cut + l.Missed + l.Recursion + l.Full + l.Unpaired
		if sum != l.Hits || l.Cut != 0 {
			f.t.Errorf("%s by %s: %d hits, the parts are %d: %+v", l.Place, l.Mechanism, l.Hits, sum, l)
		}
		f.hits, f.delivered, f.missed = f.hits+l.Hits, f.delivered+l.Delivered+l.Handled, f.missed+l.Missed+l.Recursion
		if l.Hits != 0 {
			f.hit++
		}
	}
}

// loads leave the CPUs time to arm places: they take a third of it, and took two thirds
// when they paused a fourth as long.
var loads = []string{"unix@40ms", "files@40ms", "tcp@40ms", "fork@1s"}

// work starts loads, and returns what ends them. They are processes of their own:
// a child of this one would hold its files, and so its probes, until it runs its
// program.
func work(t *testing.T) (stop func()) {
	var running []*exec.Cmd
	for _, name := range loads {
		load := exec.CommandContext(t.Context(), "ktrap", "lab", "load", name)
		load.Env = append(os.Environ(), "GOMAXPROCS=1")
		if err := load.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, load)
	}
	return func() {
		for i, load := range running {
			if err := load.Process.Kill(); err != nil {
				t.Errorf("the load %s ended by itself: %v", loads[i], err)
			}
			_ = load.Wait()
		}
	}
}

// probesNow are the kernel's list of probes, and what ftrace calls.
func probesNow() (all []string) {
	for _, p := range kernel.Kprobes() {
		all = append(all, fmt.Sprintf("%#x %+v", uint64(p.Addr), p.State))
	}
	for _, name := range []string{"/sys/kernel/tracing/enabled_functions", "/sys/kernel/tracing/kprobe_events"} {
		text, err := os.ReadFile(name)
		if err != nil {
			return append(all, err.Error())
		}
		all = append(all, string(text))
	}
	slices.Sort(all)
	return all
}

// kernelLog is what the kernel says from now on.
type kernelLog struct {
	t  *testing.T
	fd int
}

func followLog(t *testing.T) *kernelLog {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		t.Fatal(err)
	}
	return &kernelLog{t, fd}
}

var complaint = regexp.MustCompile(`BUG|Oops|WARNING|general protection|double fault|lockup|stall|Unrecoverable|recursive|Failed to|not syncing`)

// check reads what is new, one line at a time, and takes every complaint for a
// failure.
func (l *kernelLog) check() {
	l.t.Helper()
	line := make([]byte, 8<<10)
	for {
		n, err := unix.Read(l.fd, line)
		switch {
		case errors.Is(err, unix.EPIPE): // some were overwritten
			l.t.Error("the kernel said so much that some of it was lost")
		case err != nil:
			return
		case complaint.Match(line[:n]):
			l.t.Errorf("the kernel complains: %s", line[:n])
		}
	}
}
