package compile_test

import (
	"testing"

	"ktrap/internal/object"
)

func TestAnArrayOfAFunctionIsIndexedByWhatCountsALoop(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       uint64
	}{
		{"a range over it", "for i := range a { a[i] = n * uint64(i) }; sum = a[3]*10 + a[1]", 3*7*10 + 7},
		{"a range over a number", "for i := range 4 { a[i] = n }; sum = a[0] + a[3]", 14},
		{"three clauses, and a neighbour", "a[3] = n; for i := 3; i > 0; i-- { a[i-1] = a[i] + 1 }; sum = a[0]", 10},
		{"left in the middle", "for i := 0; i < 4 && n > uint64(i)+4; i++ { a[i] = 1 }; sum = a[0] + a[1] + a[2] + a[3]", 3},
		{"continued", "for i := range a { if i == 2 { continue }; a[i] = 1 }; sum = a[0] + a[1]*10 + a[2]*100 + a[3]*1000", 1011},
		{"a loop in a loop", "for i := range 2 { for j := range 2 { a[i*2+j] = uint64(i + j) } }; sum = a[0] + a[1]*10 + a[2]*100 + a[3]*1000", 2110},
		{"one of structs", "var s [3]struct{ x, y uint64 }; for i := range s { s[i].y = n }; sum = s[2].y + s[1].x", 7},
		{"its values with its keys", "for i, v := range a { a[i] = v + n + uint64(i) }; sum = a[2]", 9},
		{"outside of it: the handler ends", "sum = 5; for i := range 5 { a[i] = 1 }; sum = a[0]", 5},
		{"bytes of a text", `s := "ktrap"; for i := 0; i < 5; i++ { sum = sum<<8 | uint64(s[i]) }`, 0x6b74726170},
		{"a byte of a text", `s := "ktrap"; sum = uint64(s[1])`, 't'},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := play(t, "package trap\n\nvar sum uint64\n\n//ktrap:pre f\nfunc f() {\n\tn := uint64(arg(0))\n\tvar a [4]uint64\n\t_ = a\n\t_ = n\n\t"+c.body+"\n}\n", 7)
			sum := p.unit.Maps[0].Fields[0]
			got := words(p.maps[object.Vars].Lookup(make([]byte, 4), 0)[sum.Offset:])[0]
			if got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestAStructThatIsWrittenWholeAndInPartsIsReadAsItIs(t *testing.T) {
	const text = `package trap

type s struct {
	a uint8
	b int8
	c uint32
	d uint16
}

var sum uint64

//ktrap:pre f
func f() {
	n := uint32(arg(0))
	v := [1]s{}
	v[0] = s{1, 2, n, v[0].d}
	if n == 1 {
		v[0].a--
		v[0].c = n + 1
	}
	sum = uint64(v[0].a) + uint64(v[0].c)*1000
}
`
	for arg, want := range map[int64]uint64{1: 2000, 7: 7001} {
		p := play(t, text, arg)
		if got := words(p.maps[object.Vars].Lookup(make([]byte, 4), 0))[0]; got != want {
			t.Errorf("of %d: got %d, want %d", arg, got, want)
		}
	}
}
