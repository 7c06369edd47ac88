//go:build live

package ktrap

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ktrap/internal/disasm"
	"ktrap/internal/facts"
	"ktrap/internal/kernel"
	"ktrap/internal/patch"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// TestTheKernelAgreesWithEveryVerdict asks the kernel for a kprobe at addresses
// of every class, and compares its errno with the verdict; then it arms what was
// allowed and compares how the kernel runs each with what was foretold. Places
// that the kernel accepts and breaks at are never asked for.
//
// KTRAP_SEED repeats a run.
func TestTheKernelAgreesWithEveryVerdict(t *testing.T) {
	n := 400
	if os.Getenv("KTRAP_DEEP") != "" {
		n = 5000
	}
	s := newSampler(t)
	places := s.sample(n)
	r := registrar{t: t, dir: tracefsDir(t)}
	r.expedite()
	start := time.Now()
	for batch := range slices.Chunk(places, 300) {
		r.run(batch)
	}
	t.Logf("%d places in %v", len(places), time.Since(start))
	report(t, places)
}

// A judged is a place, what was said of it and what the kernel did.
type judged struct {
	class string
	site.Explanation
	addr  uint64
	place string

	errno string // "" where the kernel accepts
	tag   site.Mechanism
	armed bool // it was in the kernel's list
}

// foretold is the errno of the verdict.
func (j *judged) foretold() string {
	if j.Refusal == nil {
		return ""
	}
	return j.Refusal.Errno
}

// dangerous is what the kernel would accept and break at.
func (j *judged) dangerous() bool { return j.Refusal != nil && j.Refusal.Errno == "" }

// A sampler draws addresses.
type sampler struct {
	t      *testing.T
	k      *Kernel
	seed   uint64
	random *rand.Rand
	seen   map[uint64]bool

	functions, modules, data, padding []symbols.Symbol
	tables, image                     *patch.Table // in memory; in the image
	moved                             uint64       // by KASLR
}

func newSampler(t *testing.T) *sampler {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("KTRAP_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 0, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("KTRAP_SEED=%d", seed)
	open, err := KernelConfig{}.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &sampler{t: t, k: open, seed: seed, random: rand.New(rand.NewPCG(seed, 0)), seen: map[uint64]bool{}}
	t.Cleanup(func() { open.Close() })
	text := open.textRanges()[0]
	for sym, err := range s.k.symbols.All() {
		if err != nil {
			t.Fatal(err)
		}
		s.sort(sym, text)
	}
	s.tables = s.k.allPatches("")
	s.image, s.moved = tablesOfImage(t, open)
	for _, k := range patch.Kept() {
		if s.tables.Len(k) == 0 {
			t.Errorf("the kernel's memory has no %ss", k)
		}
	}
	return s
}

func (s *sampler) sort(sym symbols.Symbol, text patch.Range) {
	inText := text.Start <= sym.Addr && sym.Addr < text.End || sym.Module != "" && strings.ContainsRune("tTwW", rune(sym.Type))
	switch {
	case sym.Size == 0 || sym.Size > 1<<20:
	case !inText:
		s.data = append(s.data, sym)
	case strings.HasPrefix(sym.Name, "__pfx_"), strings.HasPrefix(sym.Name, "__cfi_"):
		s.padding = append(s.padding, sym)
	case sym.Module != "":
		s.modules = append(s.modules, sym)
	default:
		s.functions = append(s.functions, sym)
	}
}

// A class is a way to draw an address; 0 if there is none.
type class struct {
	name string
	draw func(*sampler) uint64
}

var classes = []class{
	{"function start", func(s *sampler) uint64 { return s.one(s.functions).Addr }},
	{"near a start", func(s *sampler) uint64 { return s.one(s.functions).Addr + 1 + s.random.Uint64N(9) }},
	{"instruction", func(s *sampler) uint64 { return s.instruction(s.functions, anything) }},
	{"instruction", func(s *sampler) uint64 { return s.instruction(s.functions, anything) }},
	{"instruction", func(s *sampler) uint64 { return s.instruction(s.functions, anything) }},
	{"any byte", func(s *sampler) uint64 { return s.byte(s.functions) }},
	{"any byte", func(s *sampler) uint64 { return s.byte(s.functions) }},
	{"module, start", func(s *sampler) uint64 { return s.one(s.modules).Addr }},
	{"module, instruction", func(s *sampler) uint64 { return s.instruction(s.modules, anything) }},
	{"module, any byte", func(s *sampler) uint64 { return s.byte(s.modules) }},
	{"blacklisted", (*sampler).blacklisted},
	{"data", func(s *sampler) uint64 { return s.byte(s.data) }},
	{"nowhere", func(s *sampler) uint64 { return s.random.Uint64() >> s.random.IntN(60) }},
	{"padding", func(s *sampler) uint64 { return s.byte(s.padding) }},
	{"int3", func(s *sampler) uint64 { return s.instruction(s.functions, is("int3")) }},
	{"branch", func(s *sampler) uint64 { return s.instruction(s.functions, is("call", "jmp", "ret")) }},
	{"alternative", func(s *sampler) uint64 { return s.alternative() }},
	{"vector", func(s *sampler) uint64 { return s.instruction(s.modules, disasm.Inst.IsVector) }},
	{"jump label", func(s *sampler) uint64 { return s.entry(patch.JumpLabel) }},
	{"static call", func(s *sampler) uint64 { return s.entry(patch.StaticCall) }},
	{"BUG", func(s *sampler) uint64 { return s.entry(patch.Bug) }},
	{"may fault", func(s *sampler) uint64 { return s.entry(patch.Exception) }},
}

// sample draws n places that are all different, of each class as many. A class
// that has none, or no more, is left out.
func (s *sampler) sample(n int) []*judged {
	const patience = 10
	var places []*judged
	misses := map[int]int{}
	for i := 0; len(places) < n && i < 10*n; i++ {
		c := i % len(classes)
		if misses[c] == patience {
			continue
		}
		addr := classes[c].draw(s)
		if addr == 0 || s.seen[addr] {
			misses[c]++
			continue
		}
		misses[c], s.seen[addr] = 0, true
		places = append(places, s.judge(classes[c].name, addr))
	}
	s.random.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	return places
}

func (s *sampler) judge(class string, addr uint64) *judged {
	sym, _, _ := s.k.symbols.At(addr)
	e := s.k.explain(wanted{}, sym, addr)
	return &judged{class: class, Explanation: e, addr: addr, place: fmt.Sprintf("%s+%#x", sym.Name, addr-sym.Addr)}
}

func (s *sampler) one(of []symbols.Symbol) symbols.Symbol {
	if len(of) == 0 {
		return symbols.Symbol{}
	}
	return of[s.random.IntN(len(of))]
}

func (s *sampler) byte(of []symbols.Symbol) uint64 {
	sym := s.one(of)
	if sym.Size == 0 {
		return 0
	}
	return sym.Addr + s.random.Uint64N(sym.Size)
}

func anything(disasm.Inst) bool { return true }

func is(names ...string) func(disasm.Inst) bool {
	return func(in disasm.Inst) bool {
		name, _, _ := strings.Cut(in.String(), " ")
		return slices.Contains(names, name)
	}
}

// instruction draws one that is wanted, out of a function that has any.
func (s *sampler) instruction(of []symbols.Symbol, wanted func(disasm.Inst) bool) uint64 {
	const patience = 10
	for range patience {
		sym := s.one(of)
		var found []uint64
		for in := range disasm.Walk(sym.Addr, s.k.code(sym)) {
			if wanted(in) {
				found = append(found, in.Addr)
			}
		}
		if found != nil {
			return found[s.random.IntN(len(found))]
		}
	}
	return 0
}

// entry draws a place that a table has, or the byte behind its first.
func (s *sampler) entry(k patch.Kind) uint64 {
	entries := slices.Collect(s.tables.All(k))
	if len(entries) == 0 {
		return 0
	}
	return entries[s.random.IntN(len(entries))].Addr + s.random.Uint64N(8)/7
}

// alternative draws a byte of what was, or may have been, replaced at boot.
func (s *sampler) alternative() uint64 {
	entries := slices.Collect(s.image.All(patch.Alternative))
	if len(entries) == 0 {
		return 0
	}
	e := entries[s.random.IntN(len(entries))]
	return e.Addr + s.moved + s.random.Uint64N(uint64(e.Size))*s.random.Uint64N(2)
}

func (s *sampler) blacklisted() uint64 {
	list := s.k.rules().Blacklist
	if len(list) == 0 {
		return 0
	}
	r := list[s.random.IntN(len(list))]
	return r.Start + s.random.Uint64N(r.End-r.Start)
}

// A registrar asks the kernel, by tracefs: to register an event arms nothing.
type registrar struct {
	t   *testing.T
	dir string // of tracefs
}

func tracefsDir(t *testing.T) string {
	dir, err := kernel.Tracefs()
	if err != nil {
		t.Skipf("needs %s: %v", facts.KprobeEvents, err)
	}
	return dir
}

// expedite makes the kernel wait less when probes go, and write nothing down.
func (r *registrar) expedite() {
	for path, value := range map[string]string{"/sys/kernel/rcu_expedited": "1", r.dir + "/tracing_on": "0"} {
		before, err := os.ReadFile(path)
		if err != nil {
			r.t.Fatal(err)
		}
		set := func(value string) {
			if err := os.WriteFile(path, []byte(value), 0); err != nil {
				r.t.Error(err)
			}
		}
		set(value)
		r.t.Cleanup(func() { set(strings.TrimSpace(string(before))) })
	}
}

const group = "verdicts"

// run registers a batch, arms it, reads how the kernel runs it, and removes it.
// What is close to another place comes in a batch of its own.
func (r *registrar) run(batch []*judged) {
	var made, later []*judged
	for _, j := range batch {
		switch {
		case j.dangerous():
		case j.foretold() == "ENOENT": // tracefs keeps these until there is such a symbol
			j.errno = openPerf(r.t, j.addr)
		case near(made, j):
			later = append(later, j)
		default:
			j.errno = errno(r.command(fmt.Sprintf("p:%s/v%d %#x", group, len(made), j.addr)))
			if j.errno == "" {
				made = append(made, j)
			}
		}
	}
	if len(made) > 0 {
		r.enable("1")
		r.watch(made)
		r.enable("0")
		r.remove(len(made))
	}
	if len(later) > 0 {
		r.run(later)
	}
}

// near: probes that are close to each other keep each other from optimisation.
func near(made []*judged, j *judged) bool {
	return slices.ContainsFunc(made, func(other *judged) bool { return other.Addr-j.Addr+40 < 80 })
}

// command gives tracefs lines about events.
func (r *registrar) command(lines string) error {
	f, err := os.OpenFile(filepath.Join(r.dir, "kprobe_events"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	_, err = f.WriteString(lines + "\n")
	return err
}

func (r *registrar) enable(value string) {
	if err := os.WriteFile(filepath.Join(r.dir, "events", group, "enable"), []byte(value), 0); err != nil {
		r.t.Fatal(err)
	}
}

func (r *registrar) remove(n int) {
	for i := range n {
		if err := r.command(fmt.Sprintf("-:%s/v%d", group, i)); err != nil {
			r.t.Fatal(err)
		}
	}
}

// watch reads how the kernel runs the probes, when its optimiser is done: as soon
// as it did what was foretold, or when it does no more.
func (r *registrar) watch(made []*judged) {
	const patience = 3 * time.Second
	left, since := len(made), time.Now()
	for time.Since(since) < patience {
		wrong := look(made)
		if wrong == 0 {
			return
		}
		if wrong != left {
			left, since = wrong, time.Now()
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// look notes how the kernel runs each probe now, and counts those that are not
// as foretold.
func look(made []*judged) (wrong int) {
	tags := map[uint64]site.Mechanism{}
	for _, p := range kernel.Kprobes() {
		tags[uint64(p.Addr)] = tagOf(p.State.Ftrace, p.State.Optimized)
	}
	for _, j := range made {
		j.tag, j.armed = tags[j.Addr]
		if j.tag != shown(j.Mechanism) {
			wrong++
		}
	}
	return wrong
}

// shown is as much of a mechanism as the kernel's list shows.
func shown(m site.Mechanism) site.Mechanism {
	return tagOf(m == site.ByFtrace, m == site.ByJump)
}

func tagOf(ftrace, optimized bool) site.Mechanism {
	switch {
	case ftrace:
		return site.ByFtrace
	case optimized:
		return site.ByJump
	}
	return site.ByStep
}

func errno(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		if number == unix.EOPNOTSUPP { // one number, of two names
			return "EOPNOTSUPP"
		}
		return unix.ErrnoName(number)
	}
	return ""
}

// openPerf asks for a probe by perf, which arms it if it may.
func openPerf(t *testing.T, addr uint64) string {
	pmu := kernel.Gather(facts.KprobePerf).PMU
	attr := unix.PerfEventAttr{Type: pmu.Type, Size: unix.PERF_ATTR_SIZE_VER5, Ext2: addr, Bits: unix.PerfBitDisabled}
	fd, err := unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return errno(err)
	}
	if err := unix.Close(fd); err != nil {
		t.Error(err)
	}
	return ""
}

// report prints the confusion matrix and fails for what was foretold wrongly.
func report(t *testing.T, places []*judged) {
	verdicts, runs, classes := map[[2]string]int{}, map[[2]string]int{}, map[string]int{}
	accepted, right := 0, 0
	for _, j := range places {
		classes[j.class]++
		if j.dangerous() {
			verdicts[[2]string{string(j.Refusal.Reason), "not asked"}]++
			continue
		}
		verdicts[[2]string{named(j), named(&judged{errno: j.errno})}]++
		if j.errno != j.foretold() {
			say := t.Errorf
			// The bytes of a module's text before its first symbol: one in 256 of a
			// module's bytes is refused with EINVAL by 6.1, where ENOENT is foretold.
			if j.errno == "EINVAL" && j.foretold() == "ENOENT" && (j.class == "module, any byte" || j.class == "vector") {
				say = t.Logf
			}
			say("%s %#x, %s: foretold %q, the kernel says %q; %v, unchecked %v", j.class, j.addr, j.place, j.foretold(), j.errno, j.Err(), j.Unchecked)
		}
		if j.errno != "" || j.foretold() != "" {
			continue
		}
		accepted++
		runs[[2]string{j.Mechanism.String(), j.tag.String()}]++
		switch {
		case !j.armed:
			t.Errorf("%s %#x, %s: the kernel's list has no probe at %#x", j.class, j.addr, j.place, j.Addr)
		case j.tag == shown(j.Mechanism):
			right++
		default:
			t.Logf("%s %#x, %s: foretold %s (%s; assumed %v), it is %s", j.class, j.addr, j.place, j.Mechanism, j.Better, j.Assumed, j.tag)
		}
	}
	t.Logf("classes: %v", classes)
	t.Logf("verdict, kernel:\n%s", matrix(verdicts))
	t.Logf("mechanism, tag (boosted, emulated and int3 look alike):\n%s", matrix(runs))
	if accepted == 0 || accepted-right > max(1, accepted/200) {
		t.Errorf("the mechanism was right for %d of %d", right, accepted)
	}
}

func named(j *judged) string {
	switch {
	case j.Refusal != nil:
		return j.Refusal.Errno + " " + string(j.Refusal.Reason)
	case j.errno != "":
		return j.errno
	}
	return "accepted"
}

func matrix(counts map[[2]string]int) string {
	var b bytes.Buffer
	for _, row := range slices.SortedFunc(maps.Keys(counts), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		fmt.Fprintf(&b, "%8d  %-32s %s\n", counts[row], row[0], row[1])
	}
	return b.String()
}
