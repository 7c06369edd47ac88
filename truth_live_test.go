//go:build live

package ktrap

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap/internal/disasm"
	"ktrap/internal/outcome"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// TestPostHandlersSeeWhatAKernelModulesSee arms the kernel's own pre- and
// post-handlers, of a module, and ktrap's at the same instructions, and has one
// thread run them: the same executions must be recorded, with the same registers
// before and after each.
func TestPostHandlersSeeWhatAKernelModulesSee(t *testing.T) {
	loadTruth(t)
	h := &held{sampler: newSampler(t), kinds: map[string]int{}, differ: map[string]int{}}
	r := registrar{t: t, dir: tracefsDir(t)}
	r.expedite()
	h.compare(Config{Unsafe: true}, []symbols.Symbol{h.ofModule("every_kind"), h.ofModule("truth_turns"), h.ofModule("truth_left_over")}, 1000)
	h.run(30, 24)
	if h.functions < 30 || h.instructions < enough {
		t.Errorf("%d instructions of %d functions were compared, want at least %d of 30", h.instructions, h.functions, enough)
	}
	for _, kind := range kinds {
		if h.kinds[kind.name] == 0 {
			t.Errorf("no %s was among them", kind.name)
		}
	}
	t.Logf("%d executions of %d instructions of %d functions: %v", h.executions, h.instructions, h.functions, h.kinds)
	t.Logf("not compared, for want of a post-handler: %d; lost, by the ledger: %d; differences: %v", h.without, h.lost, h.differ)
}

// TestWhatTheKernelDoesWronglyInTheProcessorsSteadIsRefused holds a refusal of ours to
// the kernel: a kprobe, of a module, changes what a loop and a return do.
func TestWhatTheKernelDoesWronglyInTheProcessorsSteadIsRefused(t *testing.T) {
	loadTruth(t)
	s := newSampler(t)
	if got, want := readInstructions(t), [2]uint64{3, 0}; got != want {
		t.Fatalf("without a probe: %d turns of a loop of 3, and %d bytes left of a return's arguments", got[0], got[1])
	}
	var addrs []uint64
	for _, name := range []string{"truth_turns", "truth_left_over"} {
		sym := s.ofModule(name)
		for in := range disasm.Walk(sym.Addr, s.k.code(sym)) {
			e := s.k.explain(wanted{}, sym, in.Addr)
			if e.Refusal != nil && e.Refusal.Reason == site.Misemulated {
				addrs = append(addrs, in.Addr)
			}
		}
	}
	if len(addrs) != 2 {
		t.Fatalf("%d places are refused as %s, want 2", len(addrs), site.Misemulated)
	}
	module := openModule(t)
	defer module.Close()
	module.arm(0, addrs)
	got := readInstructions(t)
	module.records()
	if want := [2]uint64{4, 8}; got != want {
		t.Errorf("with probes: %d turns of a loop of 3, and %d bytes left of a return's arguments; want the kernel's mistakes, %d", got[0], got[1], want)
	}
}

// TestAHandlerFilesPostHandlerFollowsALoop sees the turn too many as well.
func TestAHandlerFilesPostHandlerFollowsALoop(t *testing.T) {
	loadTruth(t)
	s, err := Config{Unsafe: true}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	script, err := s.Script(HandlerFile{Name: "turn.go", Text: []byte(`package trap

//ktrap:post truth:truth_turns@insn(^loop)
func turn(r, was *regs) { emit(was.cx, r.cx, r.ip-was.ip) }
`)})
	if err != nil {
		t.Fatal(err)
	}
	if err := script.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		readInstructions(t)
	}()
	var got [][3]int64
	for ev, err := range s.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		sent := ev.Emitted()
		got = append(got, [3]int64{int64(sent[0].Bits), int64(sent[1].Bits), int64(sent[2].Bits)})
	}
	if want := [][3]int64{{3, 2, -3}, {2, 1, -3}, {1, 0, -3}, {0, -1, 2}}; !slices.Equal(got, want) {
		t.Errorf("cx before and after, and how far ip went: %d, want %d", got, want)
	}
}

// loadTruth loads the module for the length of a test.
func loadTruth(t *testing.T) {
	path := os.Getenv("KTRAP_MODULE")
	if path == "" {
		t.Skip("needs kernel-module: only the deep tests compile one")
	}
	if err := loadModule(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.DeleteModule("truth", 0); err != nil {
			t.Error(err)
		}
	})
}

func (s *sampler) ofModule(name string) symbols.Symbol {
	i := slices.IndexFunc(s.modules, func(sym symbols.Symbol) bool { return sym.Name == name && sym.Module == "truth" })
	if i < 0 {
		s.t.Fatalf("the module has no function %s", name)
	}
	return s.modules[i]
}

const enough = 300 // instructions

// A kind of instruction. The module has one of each, too.
type kind struct {
	name string
	is   func(disasm.Inst) bool
}

var kinds = []kind{
	{"ftrace site", nil},
	{"string instruction", opcodes(0xa4, 0xa7, 0xaa, 0xaf)},
	{"loop or jrcxz", opcodes(0xe0, 0xe3)},
	{"change of interrupts and flags", opcodes(0x9c, 0x9d, 0xfa, 0xfd)},
	{"indirect branch", func(in disasm.Inst) bool {
		k := in.Flow(nil).Kind
		return k == disasm.IndirectCall || k == disasm.IndirectJump
	}},
	{"conditional jump", of(disasm.CondJump)},
	{"jump", of(disasm.Jump)},
	{"call", of(disasm.Call)},
	{"return", of(disasm.Return)},
	{"push or pop", opcodes(0x50, 0x5f, 0x68, 0x68, 0x6a, 0x6a, 0x8f, 0x8f, 0xc9, 0xc9)},
	{"other", anything},
}

func of(kind disasm.FlowKind) func(disasm.Inst) bool {
	return func(in disasm.Inst) bool { return in.Flow(nil).Kind == kind }
}

// opcodes are those of one byte, from each first to each last.
func opcodes(bounds ...byte) func(disasm.Inst) bool {
	return func(in disasm.Inst) bool {
		for b := range slices.Chunk(bounds, 2) {
			if op := in.Opcode()[0]; !in.IsVector() && b[0] <= op && op <= b[1] {
				return true
			}
		}
		return false
	}
}

// held compares what ktrap shows with what the module does.
type held struct {
	*sampler
	kinds, differ                                      map[string]int
	functions, instructions, executions, without, lost int
}

// run compares instructions of n functions that the load runs.
func (h *held) run(n, each int) {
	candidates := h.reached(syncRoots)
	h.random.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
	for len(candidates) > 0 && (h.functions < n || h.instructions < enough) && !h.t.Failed() {
		some := candidates[:min(len(candidates), 60)]
		candidates = candidates[len(some):]
		for group := range slices.Chunk(h.hot(some), 4) {
			h.compare(Config{}, group, each)
			h.functions += len(group)
		}
	}
}

// syncRoots are of the load below.
var syncRoots = strings.Fields(`ksys_read ksys_write vfs_read vfs_write do_sys_openat2 path_openat vfs_statx do_unlinkat
	unix_stream_connect unix_stream_sendmsg unix_stream_recvmsg __sys_sendto __sys_recvfrom tcp_sendmsg_locked tcp_recvmsg
	do_mmap do_munmap pipe_read pipe_write do_dup2 __x64_sys_close __x64_sys_getcwd do_fcntl seq_read_iter do_pipe2 do_futex ep_insert`)

// hot are those that the load runs.
func (h *held) hot(of []symbols.Symbol) (hot []symbols.Symbol) {
	var probes []*Probe
	for _, sym := range of {
		probes = append(probes, &Probe{Addr: sym.Addr, Quiet: true, Optional: true, PID: uint32(os.Getpid())})
	}
	s, err := Open(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	regs, err := s.Register(h.t.Context(), probes...)
	if err != nil {
		return nil // none can be probed
	}
	thread := newThread()
	thread.do(h.load)
	thread.end()
	for _, r := range regs {
		if l, err := r.Ledger(); err == nil && l.Handled > 0 {
			hot = append(hot, r.sym)
		}
	}
	return hot
}

// compare arms both at up to each instructions of some functions.
func (h *held) compare(config Config, group []symbols.Symbol, each int) {
	insts := map[uint64]disasm.Inst{}
	var probes []*Probe
	for _, sym := range group {
		all := slices.Collect(disasm.Walk(sym.Addr, h.k.code(sym)))
		if len(all) > 0 && all[0].IsEndbr() { // one place with what is behind it
			all = all[1:]
		}
		h.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		slices.SortStableFunc(all, func(a, b disasm.Inst) int { return rank(a) - rank(b) })
		for _, in := range interleave(h.random, all, each) {
			insts[in.Addr] = in
			probes = append(probes, &Probe{Addr: in.Addr, Post: Func(func(*Event) {}), Optional: true, PID: uint32(os.Getpid())})
		}
	}
	s, err := config.Open(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	defer s.Close()
	plan, err := s.Plan(h.t.Context(), probes...)
	if err != nil {
		return // none has a post-handler
	}
	thread := newThread()
	defer thread.end()
	module := openModule(h.t)
	defer module.Close()
	// The module comes first and goes last: a post-handler that joins another probe
	// at ftrace's place, up to 7.3, is disarmed by a way that it was not armed by, and
	// stays.
	module.arm(thread.id, placesOf(plan))
	regs, err := s.Register(h.t.Context(), probes...)
	if err != nil {
		h.t.Fatal(err)
	}
	h.without += len(probes) - len(regs)
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	go func() {
		defer cancel()
		thread.do(h.load)
	}()
	ours := map[uint64][]*Event{}
	for ev, err := range s.Events(ctx) {
		if err != nil {
			h.t.Error(err)
			return
		}
		if ev.TID == thread.id {
			ours[ev.Addr] = append(ours[ev.Addr], ev)
		}
	}
	theirs := module.records()
	for _, r := range regs {
		h.match(r, insts[r.Addr], ours[r.Addr], theirs[r.Addr])
	}
}

// rank puts first what is rare.
func rank(in disasm.Inst) int {
	return slices.IndexFunc(kinds, func(k kind) bool { return k.is != nil && k.is(in) })
}

// interleave takes n, half of them the rarest, half at random; the entry always.
func interleave(random *rand.Rand, all []disasm.Inst, n int) []disasm.Inst {
	if len(all) <= n {
		return all
	}
	rare, rest := all[:n/2], slices.Clone(all[n/2:])
	random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return append(slices.Clone(rare), rest[:n-n/2]...)
}

// match compares the executions of one instruction. What both saw of one lies
// between the ends of the module's last and of this, by one clock. The module also
// sees some before ours are armed, and after.
func (h *held) match(r *Registration, in disasm.Inst, ours []*Event, theirs []moduleRecord) {
	l, err := r.Ledger()
	if err != nil {
		h.t.Error(err)
		return
	}
	// An execution may end behind an interrupt, and with it one that began later.
	slices.SortStableFunc(ours, func(a, b *Event) int { return a.Time.Compare(b.Time) })
	seen, unseen, since, own := 0, 0, 0, 0
	for i := 1; i < len(theirs); i++ {
		before, after := &theirs[i-1], &theirs[i]
		if before.Post != 0 || after.Post != 1 {
			continue
		}
		n := 0
		for n < len(ours) && kernelTime(ours[n]) <= after.Time {
			n++
		}
		if n == 0 {
			since++
			continue
		}
		ev := ours[n-1]
		if !same(ev.transition.was, before.Regs) {
			h.t.Errorf("%s %s: before it the registers are %#x, the module's %#x", r.Place(), in, ev.transition.was, before.Regs)
			return
		}
		h.equal(r, in, ev.transition.now, after.Regs, before.Regs)
		if seen++; seen > 1 {
			unseen += since
		}
		ours, since, own = ours[n:], 0, own+n-1
	}
	own += len(ours)
	h.lost += unseen
	if lost := int(l.Missed + l.Recursion + l.Unpaired + l.Full); unseen > lost {
		h.t.Errorf("%s %s: %d executions are ours as well, but %d between them are only the module's; %+v", r.Place(), in, seen, unseen, l)
	}
	if own > 0 {
		h.t.Errorf("%s %s: %d executions are ours as well, but %d are only ours; %+v", r.Place(), in, seen, own, l)
	}
	if seen > 0 {
		h.instructions, h.executions = h.instructions+1, h.executions+seen
		h.kinds[h.kindOf(r, in)]++
	}
}

// kernelTime is the time of an event.
func kernelTime(ev *Event) uint64 { return uint64(ev.Time.Sub(ev.Registration.session.clock.boot)) }

func (h *held) kindOf(r *Registration, in disasm.Inst) string {
	if h.k.explain(wanted{}, r.sym, r.Addr).Mechanism == site.ByFtrace {
		return kinds[0].name
	}
	return kinds[rank(in)].name
}

// same compares what was before, of which ip differs by convention.
func same(a outcome.Registers, b [18]uint64) bool {
	for r := outcome.AX; r <= outcome.R15; r++ {
		if a[r] != b[r] {
			return false
		}
	}
	return (a[outcome.Flags]^b[outcome.Flags])&outcome.Status == 0
}

// equal reports every register that differs.
func (h *held) equal(r *Registration, in disasm.Inst, ours, theirs outcome.Registers, before [18]uint64) {
	for reg := outcome.AX; reg <= outcome.Flags; reg++ {
		if ours[reg] == theirs[reg] {
			continue
		}
		what := fmt.Sprintf("%s of %s", reg, in)
		if h.differ[what]++; h.differ[what] < 3 {
			h.t.Errorf("%s %s: %s is %#x, the module's %#x; it was %#x", r.Place(), in, reg, ours[reg], theirs[reg], before[reg])
		}
	}
}

// load is the work, the same in the same order.
func (h *held) load() {
	for i := range 12 {
		readInstructions(h.t)
		workOnce(h.t.TempDir(), i)
	}
}

// worker is a thread of its own, on one CPU.
type worker struct {
	id   int
	work chan func()
	done chan struct{}
}

func newThread() *worker {
	w := &worker{work: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // and it ends with this
		var set unix.CPUSet
		set.Set(1 % runtime.NumCPU())
		_ = unix.SchedSetaffinity(0, &set)
		w.id = unix.Gettid()
		for do := range w.work {
			do()
			w.done <- struct{}{}
		}
	}()
	w.do(func() {})
	return w
}

func (w *worker) do(work func()) {
	w.work <- work
	<-w.done
}

func (w *worker) end() { close(w.work) }

// workOnce uses files, pipes, sockets and memory, with system calls only.
func workOnce(dir string, i int) {
	name := filepath.Join(dir, fmt.Sprint("file", i))
	buffer := make([]byte, 600)
	if fd, err := unix.Open(name, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600); err == nil {
		_, _ = unix.Write(fd, buffer)
		_, _ = unix.Pread(fd, buffer, 100)
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if other, err := unix.Dup(fd); err == nil {
			_ = unix.Close(other)
		}
		_ = unix.Close(fd)
	}
	var st unix.Stat_t
	_ = unix.Stat(name, &st)
	_ = unix.Stat(name+"/missing", &st)
	_ = unix.Unlink(name)
	if proc, err := unix.Open("/proc/version", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		_, _ = unix.Read(proc, buffer)
		_ = unix.Close(proc)
	}
	var pipe [2]int
	if unix.Pipe2(pipe[:], unix.O_CLOEXEC) == nil {
		_, _ = unix.Write(pipe[1], buffer[:64+i])
		_, _ = unix.Read(pipe[0], buffer)
		_, _ = unix.Close(pipe[0]), unix.Close(pipe[1])
	}
	if pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
		_, _ = unix.Write(pair[0], buffer[:32])
		_, _ = unix.Read(pair[1], buffer)
		_, _ = unix.Close(pair[0]), unix.Close(pair[1])
	}
	if m, err := unix.Mmap(-1, 0, 16<<10, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE); err == nil {
		m[i] = 1
		_ = unix.Munmap(m)
	}
	if l, err := net.Listen("unix", name+".sock"); err == nil {
		if fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err == nil {
			_ = unix.Connect(fd, &unix.SockaddrUnix{Name: name + ".sock"})
			_ = unix.Close(fd)
		}
		_ = l.Close()
	}
}

// moduleFile is the module's file.
type moduleFile struct {
	t *testing.T
	*os.File
	probes int
}

type moduleRecord struct {
	Addr, Post, Time uint64
	Regs             [18]uint64
}

func openModule(t *testing.T) *moduleFile {
	f, err := os.OpenFile("/sys/kernel/debug/ktrap_truth", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &moduleFile{t: t, File: f}
}

// arm has the module's probes where ours will be, for one thread.
func (m *moduleFile) arm(tid int, addrs []uint64) {
	m.probes = len(addrs)
	if _, err := m.Write(bytesOf(append([]uint64{uint64(tid)}, addrs...))); err != nil {
		m.t.Errorf("arm the module's probes: %v", err)
	}
}

func placesOf(plan *Plan) (addrs []uint64) {
	for _, step := range plan.Steps {
		addrs = append(addrs, step.Addrs...)
	}
	return addrs
}

// readInstructions runs the module's own functions, and tells what two of them did.
func readInstructions(t *testing.T) (did [2]uint64) {
	f, err := os.Open("/sys/kernel/debug/ktrap_truth_instructions")
	if err == nil {
		err = binary.Read(f, le, &did)
		f.Close()
	}
	if err != nil {
		t.Error(err)
	}
	return did
}

func bytesOf(words []uint64) (b []byte) {
	for _, w := range words {
		b = le.AppendUint64(b, w)
	}
	return b
}

// records reads what the module recorded, and disarms it.
func (m *moduleFile) records() map[uint64][]moduleRecord {
	data, err := io.ReadAll(m)
	if err != nil {
		m.t.Fatal(err)
	}
	if _, err := m.Write(bytesOf([]uint64{0})); err != nil {
		m.t.Fatal(err)
	}
	for range m.probes {
		if e := int64(le.Uint64(data)); e != 0 {
			m.t.Errorf("the kernel refuses a probe of the module's: %d", e)
		}
		data = data[8:]
	}
	all := make([]moduleRecord, len(data)/binary.Size(moduleRecord{}))
	if err := binary.Read(bytes.NewReader(data), le, all); err != nil {
		m.t.Fatal(err)
	}
	by := map[uint64][]moduleRecord{}
	for _, r := range all {
		by[r.Addr] = append(by[r.Addr], r)
	}
	return by
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil {
		return fmt.Errorf("load %s: %w", path, err)
	}
	return nil
}
