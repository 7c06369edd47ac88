package render

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap"
)

var ledgers = []ktrap.Ledger{
	{Place: "vfs_read", Addr: 0xffffffff81000010, Mechanism: "fentry", Hits: 10, Delivered: 7, Filtered: 3, MissesKnown: true, Complete: true},
	{Place: "vfs_write", Addr: 0xffffffff81000020, Mechanism: "kprobe", Hits: 10, Delivered: 1, Cut: 2, Missed: 3, Recursion: 3, Full: 1, MissesKnown: true},
	{Place: "vfs_open", Addr: 0xffffffff81000030, Mechanism: "kprobe", Hits: 1, Delivered: 1},
}

func TestASummaryAccountsForEveryHit(t *testing.T) {
	want := `vfs_read (fentry): 10 hits = 7 delivered + 3 filtered: complete
vfs_write (kprobe): 10 hits = 1 delivered + 2 cut at the end + 3 missed by the kernel + 3 missed in recursion + 1 lost with the buffer full: incomplete
vfs_open (kprobe): 1 hit = 1 delivered: incomplete, misses are not counted
all 3 probes: 21 hits, 9 delivered
misses are unknown: for a kprobe this kernel does not tell how many hits it missed (Linux 6.7 does)
`
	if diff := cmp.Diff(want, string(Palette{}.AppendSummary(nil, ledgers))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestASummaryIsOneJSONObject(t *testing.T) {
	want := `{"kind":"summary","probes":[` +
		`{"probe":"vfs_read","mechanism":"fentry","hits":10,"delivered":7,"filtered":3,"cut":0,"missed":0,"recursion":0,"lost":0,"misses_known":true,"complete":true,"addr":"0xffffffff81000010"}` +
		`],"complete":true}`
	if diff := cmp.Diff(want, string(AppendSummaryJSON(nil, ledgers[:1]))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := string(AppendSummaryJSON(nil, nil)); got != `{"kind":"summary","probes":[],"complete":true}` {
		t.Errorf("of no probes: %s", got)
	}
}

func TestProbesWithoutHitsAreOnlyCountedWhereThereAreMany(t *testing.T) {
	many := make([]ktrap.Ledger, quietFrom)
	many[3] = ledgers[0]
	want := `vfs_read (fentry): 10 hits = 7 delivered + 3 filtered: complete
7 more probes: no hits
all 8 probes: 10 hits, 7 delivered
`
	for i := range many {
		many[i].MissesKnown = true
	}
	if diff := cmp.Diff(want, string(Palette{}.AppendSummary(nil, many))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

var plan = &ktrap.Plan{
	Steps: []ktrap.Step{{
		Mechanism: "kprobe", Reason: "registers are wanted", Cost: 361,
		Places: []string{"vfs_read", "old.isra.0"}, Addrs: []uint64{0xffffffff81000010, 0xffffffff81000020},
		Untyped: []string{"", "a copy"},
	}},
	Skipped: []ktrap.Skipped{{Probe: &ktrap.Probe{Symbol: "vfs_x"}, Err: errors.New("vfs_x is notrace")}},
}

func TestAPlanNamesMechanismReasonPriceAndPlaces(t *testing.T) {
	want := `kprobe, about 361 instructions a hit: registers are wanted
    0xffffffff81000010 vfs_read
    0xffffffff81000020 old.isra.0 (untyped: a copy)
left out vfs_x: vfs_x is notrace
`
	if diff := cmp.Diff(want, string(AppendPlan(nil, plan))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wantJSON := `{"kind":"plan","steps":[{"mechanism":"kprobe","reason":"registers are wanted","instructions_per_hit":361,` +
		`"places":[{"place":"vfs_read","addr":"0xffffffff81000010"},{"place":"old.isra.0","addr":"0xffffffff81000020","untyped":"a copy"}]}],` +
		`"left_out":[{"place":"vfs_x","why":"vfs_x is notrace"}]}`
	if diff := cmp.Diff(wantJSON, string(AppendPlanJSON(nil, plan))); diff != "" {
		t.Errorf("JSON, -want +got:\n%s", diff)
	}
}

func TestWhatWasLeftOutIsNamedByReason(t *testing.T) {
	var skipped []ktrap.Skipped
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		skipped = append(skipped, ktrap.Skipped{Probe: &ktrap.Probe{Symbol: name}, Err: errors.New(name + ": refused")})
	}
	if got := string(Palette{}.AppendNotes(nil, nil, skipped, false)); got != "left out a, b, c, d, e, f and 2 more: refused\n" {
		t.Errorf("got %q", got)
	}
	if got := string(Palette{}.AppendNotes(nil, nil, skipped, true)); got != "left out a, b, c, d, e, f, g, h: refused\n" {
		t.Errorf("all: got %q", got)
	}
}
