package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatAToolTellsOfItsLossIsRead(t *testing.T) {
	for _, c := range []struct {
		name string
		told func(string) (account, error)
		text string
		want account
	}{
		{"ktrap counts all that it did not deliver", ktrapTold, `noise
{"kind":"summary","probes":[{"probe":"f","hits":10,"delivered":7,"cut":1,"missed":0,"recursion":0,"lost":2}],"complete":false}
`, account{Hits: 10, Lost: 3}},
		{"bpftrace says it in pieces", bpftraceTold, "Attaching 1 probe...\nLost 12 events\nLost 30 events\n", account{Lost: 42}},
		{"perf's records, where there is nothing better", perfTold,
			" ktrap-umask 157 [000] 8.14: PERF_RECORD_LOST lost 56\n ktrap-umask 157 [000] 8.15: PERF_RECORD_LOST lost 4\n",
			account{Lost: 60}},
		{"the kernel's count for perf's event, and not that of another one", perfTold, `x: PERF_RECORD_LOST lost 56
    LOST_SAMPLES events:          4  ( 0.0%)
bench:umask stats:
          SAMPLE events:     139457
    LOST_SAMPLES events:     370543
dummy:HG stats:
    LOST_SAMPLES events:          3
`, account{Lost: 370543}},
		{"bpftrace's counts, keys and histograms", bpftraceCounted,
			"Attaching 1 probe...\n\n\n@: 20\n@[bench]: 3\n@[\n    a+1\n    b+2\n]: 4\n@:\n[0]                    5 |@@ |\n[1K, 2K)               6 |@  |\n",
			account{Hits: 38}},
		{"nothing was lost", perfTold, "bench:umask stats:\n          SAMPLE events:     500000\n", account{}},
	} {
		got, err := c.told(c.text)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", c.name, got, err, c.want)
		}
	}
}

func TestAnEndWithoutASummaryIsAnError(t *testing.T) {
	if _, err := ktrapTold(`{"kind":"pre"}`); err == nil {
		t.Error("got no error")
	}
}

func TestEventsAreToldFromOtherLines(t *testing.T) {
	tool := &tool{folder: t.TempDir()}
	for name, text := range map[string]string{"stdout": "event 1\nevent 22\n", "stderr": "Lost 3\n"} {
		if err := os.WriteFile(filepath.Join(tool.folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := tool.lines("event")
	if err != nil || got.n != 2 || got.bytes != 17 || got.rest.String() != "Lost 3\n" {
		t.Errorf("got %d lines, %d bytes, rest %q, %v", got.n, got.bytes, &got.rest, err)
	}
}

func TestASpreadIsMedianLeastAndMost(t *testing.T) {
	for _, c := range []struct {
		runs []float64
		want string
	}{
		{[]float64{3, 1, 200}, "3.00 (1.00–200)"},
		{[]float64{10, 20}, "15.0 (10.0–20.0)"},
		{[]float64{12.34, 12.31}, "12.3"},
	} {
		got := figures[float64]{Runs: c.runs}.of(func(v float64) float64 { return v })
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%v: %s", c.runs, diff)
		}
	}
}

func TestKtrapsWorstRunIsHeldToItsTarget(t *testing.T) {
	good := burstRun{Calls: 1000, Lines: 995, Told: account{Hits: 1000, Lost: 5}}
	miscounted, few := good, good
	miscounted.Told.Lost = 4
	few.Lines, few.Told.Lost = 989, 11
	fast, slow, large := startRun{CPU: targetCPU, Memory: targetMemory}, startRun{CPU: targetCPU + 1}, startRun{Memory: targetMemory + 1}
	for _, c := range []struct {
		name string
		r    results
		ok   bool
	}{
		{"within", &starts{{Tool: "ktrap", Runs: []startRun{fast, fast}}}, true},
		{"one run too slow", &starts{{Tool: "ktrap run", Runs: []startRun{fast, slow}}}, false},
		{"one run too large", &starts{{Tool: "ktrap", Runs: []startRun{large, fast}}}, false},
		{"only a peer is too slow", &starts{{Tool: "ktrap", Runs: []startRun{fast}}, {Tool: "bpftrace", Runs: []startRun{slow}}}, true},
		{"ktrap did not run", &starts{{Tool: "ktrap", Error: "no such symbol"}, {Tool: "bpftrace", Runs: []startRun{fast}}}, false},
		{"all accounted for", &bursts{{Runs: []burstRun{good}}}, true},
		{"one hit unaccounted for", &bursts{{Runs: []burstRun{good, miscounted}}}, false},
		{"too few delivered", &bursts{{Runs: []burstRun{good, few}}}, false},
	} {
		if err := c.r.check(); (err == nil) != c.ok {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}
