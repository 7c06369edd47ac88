//go:build live

package ktrap_test

import (
	"embed"
	"fmt"
	"maps"
	"os"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ktrap"
)

//go:embed internal/compile/testdata/handlers/*.go
var handlers embed.FS

const handlersDir = "internal/compile/testdata/handlers"

// A trial is work that a handler of the corpus is run beside, and what it must
// have found of it.
type trial struct {
	do   func(t *testing.T)
	want want
	set  map[string]string // variables that begin with another value
	// lacks tells on which kernels the handler can't be had, and why: there it must
	// be refused.
	lacks map[string]string
}

// want is what stands in tables and records, by name, name[key], name[key].field,
// name[bucket], "name[key] bucket n" or a record's text; * is any text, and what it
// matches is added up.
type want map[string]bound

type bound struct{ least, most uint64 }

func exactly(n uint64) bound    { return bound{n, n} }
func atLeast(n uint64) bound    { return bound{n, 1<<64 - 1} }
func between(n, m uint64) bound { return bound{n, m} }

// Every handler of the corpus finds what was done, on one thread called corpus.
func TestTheCorpusFindsWhatWasDone(t *testing.T) {
	files, err := handlers.ReadDir(handlersDir)
	if err != nil {
		t.Fatal(err)
	}
	for name := range trials {
		if _, err := handlers.Open(path.Join(handlersDir, name+".go")); err != nil {
			t.Errorf("a trial of no handler: %v", err)
		}
	}
	c := startCorpus(t)
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".go")
		t.Run(name, func(t *testing.T) {
			trial, ok := trials[name]
			if !ok {
				t.Fatal("there is no trial of this handler: what is to be done, and what must it find?")
			}
			start := time.Now()
			text, err := handlers.ReadFile(path.Join(handlersDir, f.Name()))
			must(t, err)
			c.try(t, f.Name(), text, trial)
			t.Logf("%v", time.Since(start).Round(time.Millisecond))
		})
	}
}

// corpus is one session for all handlers: what they share is looked up once.
type corpus struct {
	session *ktrap.Session
	mu      sync.Mutex
	records map[*ktrap.Registration][]string
	marks   chan bool
}

const marked = "__x64_sys_getpgid"

func startCorpus(t *testing.T) *corpus {
	c := &corpus{session: open(t), records: map[*ktrap.Registration][]string{}, marks: make(chan bool, 1)}
	// With registers, so that it takes no trampoline: bpfmaps is beside none.
	mark := register(t, c.session, &ktrap.Probe{Symbol: marked, PID: uint32(os.Getpid()), Regs: true})[0]
	var reading sync.WaitGroup
	reading.Go(func() {
		for ev, err := range c.session.Events(t.Context()) {
			switch {
			case err != nil:
				t.Error(err)
			case ev.Registration == mark:
				c.marks <- true
			default:
				c.mu.Lock()
				c.records[ev.Registration] = append(c.records[ev.Registration], recordText(ev))
				c.mu.Unlock()
			}
		}
	})
	t.Cleanup(func() { must(t, c.session.Close()); reading.Wait() })
	return c
}

func recordText(ev *ktrap.Event) string {
	if text, ok := ev.Printed(); ok {
		return text
	}
	var all []string
	for _, v := range ev.Emitted() {
		all = append(all, v.String())
	}
	return strings.Join(all, " ")
}

func (c *corpus) try(t *testing.T, file string, text []byte, w trial) {
	script, err := c.session.Script(ktrap.HandlerFile{Name: file, Text: text, Set: w.set})
	if why := w.lacks[kernelSeries(t)]; why != "" {
		if err == nil {
			t.Fatalf("it can be had, though it is said that %s", why)
		}
		t.Logf("not on this kernel, %s: %v", why, err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := script.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	onThread(t, w.do)
	regs := script.Registrations()
	for _, r := range regs {
		must(t, r.Unregister())
	}
	tables, err := script.Tables()
	must(t, err)
	w.want.check(t, found(tables, c.taken(t, regs)))
}

// taken are the records of regs, all of them: the ring keeps their order, and the
// mark is behind them.
func (c *corpus) taken(t *testing.T, regs []*ktrap.Registration) (all []string) {
	unix.Getpgid(0)
	select {
	case <-c.marks:
	case <-time.After(20 * time.Second):
		t.Fatal("records come no more")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range regs {
		all = append(all, c.records[r]...)
		delete(c.records, r)
		if l, err := r.Ledger(); err != nil || l.Missed+l.Full > 0 {
			t.Errorf("%s: %+v, %v", l.Place, l, err)
		}
	}
	return all
}

// onThread runs do on a thread of its own, which the kernel knows as corpus.
func onThread(t *testing.T, do func(t *testing.T)) {
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the name ends with the thread
		must(t, os.WriteFile("/proc/thread-self/comm", []byte("corpus"), 0))
		do(t)
	}()
	<-done
}

// kernelSeries is the kernel's release as manifests have it.
func kernelSeries(t *testing.T) string {
	var u unix.Utsname
	must(t, unix.Uname(&u))
	major, rest, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	return major + "." + rest[:end]
}

// found is what tables and records hold, by name.
func found(tables []ktrap.Table, records []string) map[string]uint64 {
	all := map[string]uint64{}
	for _, table := range tables {
		if table.Value != nil {
			addValue(all, table.Name, *table.Value)
		}
		for _, e := range table.Entries {
			name := fmt.Sprintf("%s[%v]", table.Name, e.Key)
			addValue(all, name, e.Value)
			for i, n := range e.Buckets {
				all[fmt.Sprintf("%s bucket %d", name, i)] = n
			}
		}
		for i, n := range table.Buckets {
			all[fmt.Sprintf("%s[%d]", table.Name, i)] = n
		}
	}
	for _, text := range records {
		all[text]++
	}
	return all
}

func addValue(all map[string]uint64, name string, v ktrap.Value) {
	for i, f := range v.Fields {
		if f.Name == "" {
			addValue(all, fmt.Sprintf("%s[%d]", name, i), f)
		} else {
			addValue(all, name+"."+f.Name, f)
		}
	}
	if v.Fields == nil {
		all[name] = v.Bits
	}
}

func (w want) check(t *testing.T, got map[string]uint64) {
	t.Helper()
	bad := false
	for _, pattern := range slices.Sorted(maps.Keys(w)) {
		match := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
		sum := uint64(0)
		for name, n := range got {
			if match.MatchString(name) {
				sum += n
			}
		}
		if b := w[pattern]; sum < b.least || sum > b.most {
			bad = true
			t.Errorf("%s is %d, want %d to %d", pattern, sum, b.least, b.most)
		}
	}
	for name, n := range got {
		if bad && n > 0 {
			t.Logf("there is %s = %d", name, n)
		}
	}
}
