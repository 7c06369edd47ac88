package render

import (
	"fmt"
	"strings"
	"time"

	"ktrap"
)

// AppendLatency appends how long calls took: a line of sums and a histogram for
// each key, or one of both for all calls. took are the histograms, calls the sums.
func (p Palette) AppendLatency(dst []byte, took, calls ktrap.Table) []byte {
	if calls.Value != nil {
		return histogram(p.sums(dst, "all calls", *calls.Value), took.Buckets, took.Scale)
	}
	if len(calls.Entries) == 0 && calls.Other == nil {
		return append(dst, "no call returned\n"...)
	}
	buckets := map[string][]uint64{}
	for _, e := range took.Entries {
		buckets[e.Key.String()] = e.Buckets
	}
	for _, e := range calls.Entries {
		name := strings.Join(keyed(e.Key, len(e.Key.Fields)), ", ")
		dst = histogram(p.sums(dst, name, e.Value), buckets[e.Key.String()], took.Scale)
	}
	dst = p.others(dst, fmt.Sprintf("(%d more)", calls.Left), calls.Rest, took.Rest, took.Scale)
	return p.others(dst, other, calls.Other, took.Other, took.Scale)
}

// others are the calls of several keys: their sums and their histogram, which may
// have had room for other keys.
func (p Palette) others(dst []byte, name string, calls, took *ktrap.Entry, scale *ktrap.Scale) []byte {
	if calls != nil {
		dst = p.sums(dst, name, calls.Value)
	}
	if took != nil {
		if calls == nil {
			dst = fmt.Appendf(dst, "%s, nanoseconds\n", name)
		}
		dst = histogram(dst, took.Buckets, scale)
	}
	return dst
}

// sums is what a stat says of calls.
func (p Palette) sums(dst []byte, name string, stat ktrap.Value) []byte {
	of := map[string]uint64{}
	for _, f := range stat.Fields {
		of[f.Name] = f.Bits
	}
	took := func(word string) time.Duration { return time.Duration(of[word]) }
	return fmt.Appendf(dst, "%s%s%s: %s, %v on average (%v to %v), %v in all; nanoseconds:\n",
		p.place, name, p.reset, count(of["count"], "call"), took("avg"), took("min"), took("max"), took("sum"))
}
