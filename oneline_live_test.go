//go:build live

package ktrap_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap"
)

func TestAQuietProbeCountsEveryHitAndRecordsNone(t *testing.T) {
	const calls = 3000
	s := open(t)
	_, err := s.Register(t.Context(),
		&ktrap.Probe{Symbol: "__x64_sys_umask", Quiet: true, PID: uint32(os.Getpid())},
		&ktrap.Probe{Symbol: "__x64_sys_umask", Return: true, Quiet: true, PID: uint32(os.Getpid())},
		&ktrap.Probe{Symbol: "__x64_sys_umask", Quiet: true, PID: 1 << 30})
	must(t, err)
	callUmask(calls)
	must(t, s.Close())
	ledgers, err := s.Ledgers()
	must(t, err)
	for i, want := range []uint64{calls, calls, 0} {
		if l := ledgers[i]; l.Handled != want || l.Delivered != 0 || l.Cut != 0 || l.Hits != l.Handled+l.Filtered || l.Filtered < calls-want {
			t.Errorf("%+v, want %d hits of %d", l, want, calls)
		}
	}
	counts, err := s.Counts()
	must(t, err)
	if len(counts.Entries) != 2 || counts.Entries[0].Value.Bits != calls || counts.Entries[1].Value.Bits != calls {
		t.Errorf("counts %v", counts.Entries)
	}
}

// TestACountOfAPatternIsThatOfEachPlace counts with and without a condition that
// every hit fulfils: the two ways of counting agree.
func TestACountOfAPatternIsThatOfEachPlace(t *testing.T) {
	const calls = 500
	s := open(t)
	for _, p := range []ktrap.Probe{{Quiet: true}, {Quiet: true, If: "pid > 0"}} {
		probes, err := s.Probes("__x64_sys_[ug]*", p)
		must(t, err)
		_, err = s.Register(t.Context(), probes...)
		must(t, err)
	}
	callUmask(calls)
	must(t, s.Close())
	ledgers, err := s.Ledgers()
	must(t, err)
	var found []uint64
	for _, l := range ledgers {
		if l.Place == "__x64_sys_umask" {
			found = append(found, l.Handled)
		}
	}
	if len(found) != 2 || found[0] < calls || found[0] != found[1] {
		t.Errorf("umask was hit %v times, want %d twice", found, calls)
	}
}

// TestAOneLineCountsWhatWasCalled runs what lines stand for while a known number of
// calls are made, and adds their tables up.
func TestAOneLineCountsWhatWasCalled(t *testing.T) {
	const calls = 900
	umask, pid := []string{"__x64_sys_umask"}, uint32(os.Getpid())
	for name, test := range map[string]struct {
		line    ktrap.OneLine
		entries int
		hits    uint64
		buckets bool
	}{
		"by a number":       {ktrap.OneLine{Places: umask, PID: pid, By: "regs.di"}, 3, calls, false},
		"by a pattern's":    {ktrap.OneLine{Places: []string{"__x64_sys_um*"}, PID: pid, By: "regs.di"}, 3, calls, false},
		"if":                {ktrap.OneLine{Places: umask, PID: pid, If: "regs.di == 0o22"}, 1, calls / 3, false},
		"by place and name": {ktrap.OneLine{Places: []string{"__x64_sys_umask", "__x64_sys_umask%return"}, PID: pid, By: "place,comm"}, 2, 2 * calls, false},
		"sum":               {ktrap.OneLine{Places: umask, PID: pid, Sum: "regs.di"}, 1, calls, false},
		"hist":              {ktrap.OneLine{Places: umask, PID: pid, Hist: "regs.di", By: "tid"}, 0, calls, true},
		"steps":             {ktrap.OneLine{Places: umask, PID: pid, Hist: "regs.di", Steps: [3]int64{0, 20, 5}}, 0, calls, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			w, err := s.Graduate(test.line)
			must(t, err)
			script, err := s.Script(w.HandlerFile)
			must(t, err)
			must(t, script.Run(t.Context()))
			for i := range calls {
				unix.Umask([]int{0o22, 0o27, 0o77}[i%3])
			}
			must(t, s.Close())
			tables, err := script.Tables()
			must(t, err)
			if len(tables) != 1 || tables[0].Name != w.Table || test.entries > 0 && len(tables[0].Entries) != test.entries {
				t.Fatalf("%d tables, %+v\n%s", len(tables), tables, w.Text)
			}
			hits, buckets := total(tables[0])
			if hits != test.hits && !test.buckets || test.buckets && buckets != test.hits {
				t.Errorf("%d hits, %d in buckets, want %d: %+v\n%s", hits, buckets, test.hits, tables[0], w.Text)
			}
		})
	}
}

// TestAnExpressionLetsHitsPassAndIsShown asks each mechanism for the hits of one of
// three masks.
func TestAnExpressionLetsHitsPassAndIsShown(t *testing.T) {
	const calls = 300
	for _, test := range []struct {
		mechanism string
		probe     ktrap.Probe
		want      string
	}{
		{"", ktrap.Probe{If: "regs.di == 0o27", Show: "regs.di,regs.di*2,comm[0:0]"}, ""},
		{"", ktrap.Probe{If: "regs.di == 0o27", Show: "regs.di,regs.di*2, regs.si - regs.si"}, "[regs.di=23 regs.di*2=46 regs.si - regs.si=0]"},
		{"kprobe", ktrap.Probe{If: "regs.di == 0o27", Show: "regs.di*2,regs.di", Stack: true}, "[regs.di*2=46 regs.di=23]"},
		{"", ktrap.Probe{Return: true, If: "retval == 0o22", Show: "uint32(retval)+pid-pid"}, "[uint32(retval)+pid-pid=18]"},
		{"kprobe", ktrap.Probe{Return: true, If: "retval == 0o22", Show: "retval, tid - tid"}, "[retval=18 tid - tid=0]"},
	} {
		c := ktrap.Config{Mechanism: test.mechanism}
		s, err := c.Open(t.Context())
		must(t, err)
		p := test.probe
		p.Symbol, p.PID = "__x64_sys_umask", uint32(os.Getpid())
		_, err = s.Register(t.Context(), &p)
		if test.want == "" {
			var mistake *ktrap.SourceError
			if !errors.As(err, &mistake) {
				t.Errorf("%s: got %v", p.Show, err)
			}
			must(t, s.Close())
			continue
		}
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			for i := range calls {
				unix.Umask([]int{0o22, 0o27, 0o77}[i%3])
			}
		}()
		n := 0
		for ev, err := range s.Events(ctx) {
			must(t, err)
			if got := fmt.Sprint(ev.Show()); got != test.want {
				t.Fatalf("%s %s: shown %s, want %s", test.mechanism, p.Show, got, test.want)
			}
			n++
		}
		must(t, s.Close())
		ledgers, err := s.Ledgers()
		must(t, err)
		// The first return tells the mask of before.
		if l := ledgers[0]; n < calls/3-1 || n > calls/3+1 || l.Delivered != uint64(n) || l.Filtered < calls-calls/3-1 || !l.Complete && l.MissesKnown {
			t.Errorf("%s %s: %d events, %+v", test.mechanism, p.If, n, l)
		}
		unix.Umask(0o22)
	}
}

// TestAGraduatedTraceSendsAsManyEvents runs the file that a trace stands for.
func TestAGraduatedTraceSendsAsManyEvents(t *testing.T) {
	line := ktrap.OneLine{Places: []string{"__x64_sys_umask"}, Trace: true, If: "regs.di == 0o27", Show: "regs.di,comm", PID: uint32(os.Getpid())}
	s := open(t)
	w, err := s.Graduate(line)
	must(t, err)
	must(t, s.Close())
	events, _, _ := run(t, w.HandlerFile, func() {
		for i := range 90 {
			unix.Umask([]int{0o22, 0o27, 0o77}[i%3])
		}
		unix.Umask(0o22)
	})
	if len(events) != 30 {
		t.Fatalf("%d events, want 30\n%s", len(events), w.Text)
	}
	if sent := events[0].Emitted(); len(sent) != 3 || sent[1].Bits != 0o27 {
		t.Errorf("sent %v\n%s", sent, w.Text)
	}
}

// Every call of one process is timed, and no other's.
func TestLatencyTimesEveryCall(t *testing.T) {
	const calls = 900
	for name, test := range map[string]struct {
		line    ktrap.OneLine
		keys    int
		timed   uint64
		options ktrap.Config
	}{
		"all":                 {ktrap.OneLine{}, 0, calls, ktrap.Config{}},
		"by number":           {ktrap.OneLine{By: "regs.di"}, 3, calls, ktrap.Config{}},
		"if":                  {ktrap.OneLine{By: "comm,regs.di", If: "regs.di == 0o22"}, 1, calls / 3, ktrap.Config{}},
		"by kprobes":          {ktrap.OneLine{By: "regs.di"}, 3, calls, ktrap.Config{Mechanism: "kprobe"}},
		"returned":            {ktrap.OneLine{By: "regs.di,retval == 0o22", If: "retval != 0o27"}, 2, calls / 3 * 2, ktrap.Config{}},
		"returned by kprobes": {ktrap.OneLine{By: "retval", If: "retval < 0o77 && regs.di > 0"}, 2, calls / 3 * 2, ktrap.Config{Mechanism: "kprobe"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := test.options.Open(t.Context())
			must(t, err)
			t.Cleanup(func() { must(t, s.Close()) })
			unix.Umask(0o77) // what the first call returns
			line := test.line
			line.Latency, line.Places, line.PID = true, []string{"__x64_sys_umask"}, uint32(os.Getpid())
			w, err := s.Graduate(line)
			must(t, err)
			script, err := s.Script(w.HandlerFile)
			must(t, err)
			must(t, script.Run(t.Context()))
			for i := range calls {
				unix.Umask([]int{0o22, 0o27, 0o77}[i%3])
			}
			must(t, s.Close())
			tables, err := script.Tables()
			must(t, err)
			for _, table := range tables {
				n, buckets := total(table)
				if table.Value != nil {
					n = table.Value.Fields[0].Bits
				}
				if table.Name == w.Table && buckets != test.timed || table.Name == w.Total && n != test.timed || len(table.Entries) != test.keys {
					t.Errorf("%s: %d calls, %d in buckets, want %d: %+v\n%s", table.Name, n, buckets, test.timed, table, w.Text)
				}
			}
		})
	}
}

// total adds up what a table counts.
func total(table ktrap.Table) (hits, buckets uint64) {
	for _, n := range table.Buckets {
		buckets += n
	}
	for _, e := range table.Entries {
		if v := e.Value; len(v.Fields) > 0 {
			hits += v.Fields[0].Bits
		} else {
			hits += v.Bits
		}
		for _, n := range e.Buckets {
			buckets += n
		}
	}
	return hits, buckets
}
