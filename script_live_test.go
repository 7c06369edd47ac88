//go:build live

package ktrap_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ktrap"
)

// run runs a handler file's source while do runs, and returns what it sent and
// its tables at the end.
func run(t *testing.T, f ktrap.HandlerFile, do func()) (events []*ktrap.Event, tables []ktrap.Table, ledgers []ktrap.Ledger) {
	t.Helper()
	s := open(t)
	script, err := s.Script(f)
	if err != nil {
		t.Fatal(err)
	}
	must(t, script.Run(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		do()
	}()
	for ev, err := range s.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, ev)
	}
	if tables, err = script.Tables(); err != nil {
		t.Fatal(err)
	}
	must(t, s.Close())
	ledgers, err = s.Ledgers()
	must(t, err)
	if last, err := script.Tables(); err != nil || len(last) != len(tables) {
		t.Errorf("%d tables, and %d when the session is closed, %v", len(tables), len(last), err)
	}
	return events, tables, ledgers
}

func TestAScriptWithoutVariablesHasNoTables(t *testing.T) {
	_, tables, _ := run(t, ktrap.HandlerFile{Name: "none.go", Text: []byte("package trap\n\n//ktrap:pre do_sys_openat2\nfunc pre() { emit(pid()) }\n")}, func() {})
	if len(tables) != 0 {
		t.Errorf("%d tables", len(tables))
	}
}

const masks = `package trap

var (
	only   uint32
	hits   uint64
	byMask map[uint64]uint64
	sizes  hist
)

//ktrap:pre __x64_sys_umask
func enter(regs *pt_regs) {
	if pid() != only {
		return
	}
	hits++
	byMask[regs.di]++
	sizes.add(regs.di)
	if regs.di == 0o27 {
		emit(regs.di, comm())
		printf("%d by %s\n", regs.di, comm())
	}
}
`

func TestAScriptCountsSumsAndSends(t *testing.T) {
	const calls = 1000
	f := ktrap.HandlerFile{Name: "masks.go", Text: []byte(masks), Set: map[string]string{"only": fmt.Sprint(os.Getpid())}}
	events, tables, ledgers := run(t, f, func() {
		for i := range calls {
			unix.Umask([]int{0o22, 0o27, 0o77}[i%3])
		}
		unix.Umask(0o22)
	})
	comm := strings.TrimSpace(string(read(t, "/proc/self/comm")))
	if len(events) != 2*333 {
		t.Fatalf("%d records, want %d", len(events), 2*333)
	}
	if text, ok := events[1].Printed(); !ok || !strings.HasPrefix(text, "23 by ") {
		t.Errorf("printed %q, %v", text, ok)
	}
	if sent := events[0].Emitted(); len(sent) != 2 || sent[0].Bits != 0o27 || sent[1].Text == "" {
		t.Errorf("sent %v, as of %s", sent, comm)
	}
	got := map[string]string{}
	for _, table := range tables {
		switch {
		case table.Value != nil:
			got[table.Name] = table.Value.String()
		case table.Buckets != nil:
			got[table.Name] = fmt.Sprint(table.Buckets[:8])
		default:
			got[table.Name] = fmt.Sprint(table.Entries)
		}
	}
	want := map[string]string{
		"only":   fmt.Sprint(os.Getpid()),
		"hits":   "1001",
		"byMask": "[{18 335 []} {23 333 []} {63 333 []}]",
		"sizes":  "[0 0 0 0 0 668 333 0]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if l := ledgers[0]; l.Handled < calls || l.Delivered != 2*333 || l.Full != 0 {
		t.Errorf("%+v", l)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	must(t, err)
	return text
}

func TestAScriptsHandlersShareMaps(t *testing.T) {
	const calls = 500
	const text = `package trap

var begun map[uint32]uint64
var pairs, unpaired uint64

//ktrap:pre __x64_sys_umask
func begin() { begun[tid()] = nsecs() }

//ktrap:ret __x64_sys_umask
func end() {
	if t, ok := begun[tid()]; ok && nsecs() > t {
		pairs++
		delete(begun, tid())
	} else {
		unpaired++
	}
}
`
	_, tables, _ := run(t, ktrap.HandlerFile{Name: "pairs.go", Text: []byte(text)}, func() { callUmask(calls) })
	for _, table := range tables {
		if table.Name == "pairs" && table.Value.Bits < calls || table.Name == "unpaired" && table.Value.Bits > 1 {
			t.Errorf("%s = %v of %d calls", table.Name, table.Value, calls)
		}
	}
}

func TestAScriptsMistakeIsToldAtItsPlace(t *testing.T) {
	s := open(t)
	for text, want := range map[string]string{
		"package trap\n\n//ktrap:pre vfs_read\nfunc enter(fil *file) {}\n": "m.go:4:12: ",
		"package trap\n\nfunc pre() {}\n":                                  "names no place",
		"package trap\n\n//ktrap:pre vfs_raed\nfunc enter() {}\n":          "did you mean vfs_read",
	} {
		_, err := s.Script(ktrap.HandlerFile{Name: "m.go", Text: []byte(text)})
		if err == nil {
			var script *ktrap.Script
			if script, err = s.Script(ktrap.HandlerFile{Name: "m.go", Text: []byte(text)}); err == nil {
				err = script.Run(t.Context())
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	if _, err := s.Script(ktrap.HandlerFile{Name: "m.go", Text: []byte(masks), Set: map[string]string{"onyl": "1"}}); err == nil || !strings.Contains(err.Error(), "only") {
		t.Errorf("a variable that is not there: %v", err)
	}
	var mistakes *ktrap.SourceError
	if _, err := s.Script(ktrap.HandlerFile{Name: "m.go", Text: []byte("package")}); !errors.As(err, &mistakes) {
		t.Errorf("%T is no *SourceError", err)
	}
}

// TestWhatAFullMapHasNoRoomForIsCountedExactly fills maps of 10,240 keys from two
// threads.
func TestWhatAFullMapHasNoRoomForIsCountedExactly(t *testing.T) {
	const keys, each = 12000, 2
	const text = `package trap

var only uint32
var (
	calls map[uint64]uint64
	bytes map[uint64]stat
	sizes map[uint64]hist
	at    map[point]uint64
	all   stat
)

//ktrap:pre __x64_sys_umask
func enter(regs *pt_regs) {
	if pid() != only {
		return
	}
	calls[regs.di]++
	bytes[regs.di].add(regs.di)
	sizes[regs.di].add(regs.di)
	at[place()]++
	all.add(regs.di)
}
`
	f := ktrap.HandlerFile{Name: "full.go", Text: []byte(text), Set: map[string]string{"only": fmt.Sprint(os.Getpid())}}
	_, tables, _ := run(t, f, func() {
		var threads sync.WaitGroup
		for range each {
			threads.Go(func() {
				runtime.LockOSThread()
				for i := range keys {
					unix.Syscall(unix.SYS_UMASK, uintptr(i), 0, 0)
				}
			})
		}
		threads.Wait()
		unix.Umask(0o22)
	})
	const hits, sum = each*keys + 1, each*keys*(keys-1)/2 + 0o22
	part := func(v ktrap.Value, name string) uint64 {
		for _, f := range v.Fields {
			if f.Name == name {
				return f.Bits
			}
		}
		return v.Bits
	}
	for _, table := range tables {
		if len(table.Entries) < 2 {
			continue
		}
		n, total, buckets := uint64(0), uint64(0), uint64(0)
		if table.Other == nil || len(table.Entries) > 10240 {
			t.Fatalf("%s has %d entries, and other %v", table.Name, len(table.Entries), table.Other)
		}
		for _, e := range append(table.Entries, *table.Other) {
			n += part(e.Value, "count")
			total += part(e.Value, "sum")
			for _, b := range e.Buckets {
				buckets += b
			}
		}
		if n != hits {
			t.Errorf("%s counts %d, want %d", table.Name, n, hits)
		}
		if table.Name == "bytes" && total != sum {
			t.Errorf("the sum is %d, want %d", total, sum)
		}
		if table.Name == "sizes" && buckets != hits {
			t.Errorf("the buckets hold %d, want %d", buckets, hits)
		}
	}
	for _, table := range tables {
		switch table.Name {
		case "at":
			if got, want := fmt.Sprint(table.Entries), fmt.Sprintf("[{__x64_sys_umask %d []}]", hits); got != want {
				t.Errorf("at is %s, want %s", got, want)
			}
		case "all":
			if got, want := table.Value.String(), fmt.Sprintf("{.count=%d, .sum=%d, .avg=%d, .min=0, .max=%d}", hits, sum, sum/hits, keys-1); got != want {
				t.Errorf("all is %s, want %s", got, want)
			}
		}
	}
}
