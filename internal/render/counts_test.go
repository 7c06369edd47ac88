package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap"
	"ktrap/internal/value"
)

func text(s string) ktrap.Value { return ktrap.Value{Kind: value.String, Text: s} }

func both(parts ...ktrap.Value) ktrap.Value { return ktrap.Value{Kind: value.Struct, Fields: parts} }

// sums is a stat of these.
func sums(n ...int64) ktrap.Value {
	v := ktrap.Value{Kind: value.Struct}
	for _, n := range n {
		v.Fields = append(v.Fields, ktrap.Value{Kind: value.Int, Bits: uint64(n)})
	}
	return v
}

func TestCountsAreColumns(t *testing.T) {
	for name, test := range map[string]struct {
		table ktrap.Table
		keys  []string
		want  string
	}{
		"one key": {
			ktrap.Table{Entries: []ktrap.Entry{{Key: text("dd"), Value: number(1200)}, {Key: text("a b"), Value: number(3)}}, Rest: &ktrap.Entry{Value: number(7)}, Left: 4, Other: &ktrap.Entry{Value: number(40)}},
			[]string{"comm"},
			"hits  comm\n1200  dd\n   3  \"a b\"\n   7  (4 more)\n  40  (other)\n",
		},
		"several": {
			ktrap.Table{Entries: []ktrap.Entry{{Key: both(text("dd"), number(4096)), Value: number(2)}, {Key: both(text("init"), number(1)), Value: number(1)}}},
			[]string{"comm", "count"},
			"hits  comm  count\n   2  dd    4096\n   1  init  1\n",
		},
		"sums": {
			ktrap.Table{Entries: []ktrap.Entry{{Key: number(7), Value: sums(2, 30, 15, -1, 31)}}, Other: &ktrap.Entry{Value: sums(1, 5, 5, 5, 5)}},
			[]string{"pid"},
			"hits  sum  avg  min  max  pid\n   2   30   15   -1   31  7\n   1    5    5    5    5  (other)\n",
		},
		"a histogram of each": {
			ktrap.Table{Scale: &ktrap.Scale{}, Entries: []ktrap.Entry{{Key: text("dd"), Value: number(2), Buckets: buckets(65, map[int]uint64{1: 2})}}},
			[]string{"comm"},
			"dd: 2\n  [1]                       2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n",
		},
		"nothing": {ktrap.Table{}, []string{"place"}, "nothing was counted\n"},
	} {
		if diff := cmp.Diff(test.want, string(Palette{}.AppendCounts(nil, test.table, test.keys))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}
