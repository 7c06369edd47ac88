package ktrap

import (
	"fmt"
	"testing"

	"ktrap/internal/value"
)

func TestShowIsCutIntoPathsAndExpressions(t *testing.T) {
	for show, want := range map[string]string{
		"sk.__sk_common.skc_dport,size":   "[{sk.__sk_common.skc_dport true} {size true}]",
		"sk->sk_uid, sk.x[2],size":        "[{sk->sk_uid true} {sk.x[2] true} {size true}]",
		"comm,comm,pid+1":                 "[{comm false} {pid+1 false}]",
		"str(name, 32),f(a,b)[1],\"a,b\"": "[{str(name, 32) false} {f(a,b)[1] false} {\"a,b\" false}]",
		"r.di,cpu":                        "[{r.di false} {cpu true}]", // the function has a parameter cpu
		"skk.x":                           "[{skk.x true}]",
	} {
		if got := fmt.Sprint(parts(show, []string{"sk", "size", "cpu"})); got != want {
			t.Errorf("%s: got %s, want %s", show, got, want)
		}
	}
}

func TestTopLeavesTheSameOfATableThatIsLikeAnother(t *testing.T) {
	of := func(keys ...uint64) (t Table) {
		for _, k := range keys {
			t.Entries = append(t.Entries, Entry{Key: Value{Kind: value.Uint, Bits: k}, Value: Value{Kind: value.Uint, Bits: 1}})
		}
		return t
	}
	got := of(1, 2, 3, 4, 5)
	got.Like(of(4, 2, 9, 1))
	got.Top(3)
	var keys []uint64
	for _, e := range got.Entries {
		keys = append(keys, e.Key.Bits)
	}
	if want := "[4 2 1]"; fmt.Sprint(keys) != want || got.Rest.Value.Bits != 2 {
		t.Errorf("got %v and %v, want %s and 2", keys, got.Rest, want)
	}
}

func TestTopAddsUpWhatItLeavesOut(t *testing.T) {
	count := func(n uint64) Entry { return Entry{Value: Value{Kind: value.Uint, Bits: n}} }
	table := Table{Entries: []Entry{count(9), count(5), count(3), count(1)}}
	table.Top(2)
	if len(table.Entries) != 2 || table.Left != 2 || table.Rest.Value.Bits != 4 {
		t.Errorf("%+v, and the rest %+v", table, table.Rest)
	}
	cpu := func(v int64) []stat {
		return []stat{{Count: 1, Sum: v, Up: uint64(v) ^ 1<<63, Down: ^(uint64(v) ^ 1<<63)}}
	}
	table = Table{Entries: []Entry{{Value: merged(cpu(100))}, {Value: merged(cpu(-7))}, {Value: merged(cpu(3))}}}
	table.Top(1)
	if got, want := table.Rest.Value.String(), "{.count=2, .sum=-4, .avg=-2, .min=-7, .max=3}"; got != want {
		t.Errorf("the rest is %s, want %s", got, want)
	}
	table = Table{Entries: []Entry{{Buckets: []uint64{1, 0}}, {Buckets: []uint64{2, 1}}, {Buckets: []uint64{0, 5}}}}
	table.Top(1)
	if got := fmt.Sprint(table.Rest.Buckets); got != "[2 6]" {
		t.Errorf("the rest of the buckets is %s", got)
	}
}
