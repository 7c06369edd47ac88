package render

import (
	"strings"
	"testing"

	"ktrap"
	"ktrap/internal/value"
)

func TestLatencyShowsSumsAboveEachHistogram(t *testing.T) {
	stat := func(n uint64) ktrap.Value {
		v := ktrap.Value{Kind: value.Struct}
		for i, name := range []string{"count", "sum", "avg", "min", "max"} {
			v.Fields = append(v.Fields, ktrap.Value{Name: name, Kind: value.Int, Bits: []uint64{n, 3000 * n, 3000, 1000, 5000}[i]})
		}
		return v
	}
	name := func(text string) ktrap.Value { return ktrap.Value{Kind: value.String, Text: text} }
	buckets := make([]uint64, 65)
	buckets[12] = 2
	took := ktrap.Table{Scale: &ktrap.Scale{}, Entries: []ktrap.Entry{{Key: name("dd"), Buckets: buckets}, {Key: name("sh"), Buckets: buckets}}}
	calls := ktrap.Table{Entries: []ktrap.Entry{{Key: name("sh"), Value: stat(2)}, {Key: name("dd"), Value: stat(1)}}}
	got := string(Palette{}.AppendLatency(nil, took, calls))
	for _, want := range []string{
		"sh: 2 calls, 3µs on average (1µs to 5µs), 6µs in all; nanoseconds:\n  [2K, 4K)",
		"dd: 1 call, 3µs on average (1µs to 5µs), 3µs in all; nanoseconds:\n  [2K, 4K)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	if got := string(Palette{}.AppendLatency(nil, ktrap.Table{}, ktrap.Table{})); got != "no call returned\n" {
		t.Errorf("nothing is %q", got)
	}
}
