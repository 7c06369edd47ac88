package main

import (
	"strings"
	"testing"
)

func cost(n float64) figures[float64] { return figures[float64]{Runs: []float64{n}} }

func TestAHitThatCostsTooMuchIsAMissedTarget(t *testing.T) {
	for _, c := range []struct {
		name string
		hit  hit
		want string
	}{
		{"cheap", hit{"count", "fentry", cost(139), cost(236)}, ""},
		{"as dear as the peer's", hit{"hist", "kprobe", cost(400), cost(400)}, ""},
		{"dearer than the peer's", hit{"hist", "kprobe", cost(401), cost(400)}, "costs 1.00 of bpftrace's"},
		{"a count that is dear, though cheaper than the peer's", hit{"count", "fentry", cost(151), cost(236)}, "the target is 150"},
		{"a peer that can't", hit{"hist", "kprobe", cost(400), figures[float64]{Error: "no"}}, ""},
		{"ktrap can't", hit{"hist", "kprobe", figures[float64]{Error: "broken"}, cost(400)}, "broken"},
	} {
		err := (&hitCosts{Hits: []hit{c.hit}}).check()
		if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}
