package render

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap"
	"ktrap/internal/value"
)

func number(n uint64) ktrap.Value { return ktrap.Value{Kind: value.Uint, Bits: n} }

func buckets(n int, counted map[int]uint64) []uint64 {
	all := make([]uint64, n)
	for i, c := range counted {
		all[i] = c
	}
	return all
}

func TestWhatFoundNoRoomIsARowOfItsOwn(t *testing.T) {
	tables := []ktrap.Table{
		{Name: "n", Entries: []ktrap.Entry{{Key: number(7), Value: number(3)}}, Other: &ktrap.Entry{Value: number(40)}},
		{Name: "last", Entries: []ktrap.Entry{{Key: number(1), Value: number(2)}}, Full: true},
		{Name: "none"},
	}
	want := "n[7] = 3\nn[(other)] = 40\nlast[1] = 2\nlast is full: what found no room is not in it\nnone is empty\n"
	if diff := cmp.Diff(want, string(Palette{}.AppendTables(nil, tables))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAHistogramsBarsStandBesideWhatTheyCount(t *testing.T) {
	for name, test := range map[string]struct {
		table ktrap.Table
		want  string
	}{
		"powers of two": {
			ktrap.Table{Name: "h", Scale: &ktrap.Scale{}, Buckets: buckets(65, map[int]uint64{0: 1, 2: 4})},
			"h\n" +
				"  [0]                       1 |@@@@@@@@@@                              |\n" +
				"  [1]                       0 |                                        |\n" +
				"  [2, 4)                    4 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n",
		},
		"below zero": {
			ktrap.Table{Name: "h", Scale: &ktrap.Scale{Signed: true}, Buckets: buckets(65, map[int]uint64{64: 2, 3: 1})},
			"h\n" +
				"  below 0                   2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n" +
				"  [4, 8)                    1 |@@@@@@@@@@@@@@@@@@@@                    |\n",
		},
		"below zero only": {
			ktrap.Table{Name: "h", Scale: &ktrap.Scale{Signed: true}, Buckets: buckets(65, map[int]uint64{64: 2})},
			"h\n  below 0                   2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n",
		},
		"steps, of a key": {
			ktrap.Table{Name: "h", Scale: &ktrap.Scale{Least: -10, Most: 5, Step: 10}, Entries: []ktrap.Entry{{Key: number(1), Buckets: []uint64{1, 2, 0, 4}}}},
			"h[1]\n" +
				"  below -10                 1 |@@@@@@@@@@                              |\n" +
				"  [-10, 0)                  2 |@@@@@@@@@@@@@@@@@@@@                    |\n" +
				"  [0, 5)                    0 |                                        |\n" +
				"  from 5                    4 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n",
		},
		"nothing": {ktrap.Table{Name: "h", Buckets: make([]uint64, 65)}, "h\n  nothing was counted\n"},
	} {
		if diff := cmp.Diff(test.want, string(Palette{}.AppendTables(nil, []ktrap.Table{test.table}))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}
