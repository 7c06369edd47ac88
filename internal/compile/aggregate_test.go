package compile_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap/internal/arch"
	"ktrap/internal/compile"
	"ktrap/internal/interp"
	"ktrap/internal/object"
)

// played is what a handler leaves in its maps after some hits.
type played struct {
	unit *compile.Unit
	maps map[string]*interp.Map
}

// play runs the first handler of a file in interp, once for each value of its
// first argument. Its maps have room for two keys.
func play(t *testing.T, text string, args ...int64) played {
	t.Helper()
	src := compile.Source{Name: "play.go", Text: []byte(text)}
	u, errs := compile.Check(src, compile.Env{})
	if errs != nil {
		t.Fatal(errs.Render(func(string) []byte { return src.Text }))
	}
	o, err := u.Handlers[0].Emit(compile.Target{Context: object.Kprobe, Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	maps := interpMaps(u)
	for _, m := range u.Maps {
		if m.Kind == object.HashMap || m.Kind == object.PerCPUHash {
			maps[m.Name].MaxEntries = 2
		}
	}
	p, err := interp.Load(o.Insns, maps)
	if err != nil {
		t.Fatal(err)
	}
	di := arch.AMD64.Regs[arch.AMD64.Args[0]].Offset
	for i, arg := range args {
		regs := make([]byte, arch.AMD64.RegsSize)
		binary.LittleEndian.PutUint64(regs[di:], uint64(arg))
		if _, err := p.Run(interp.Env{Context: interp.Regs(regs), CPU: uint32(i % 2)}); err != nil {
			t.Fatal(err)
		}
	}
	return played{u, maps}
}

func (p played) named(name string) object.Map {
	for _, m := range p.unit.Maps {
		if m.Name == name {
			return m
		}
	}
	return object.Map{}
}

// words are a value as numbers, on one CPU.
func words(data []byte) (all []uint64) {
	for ; len(data) >= 8; data = data[8:] {
		all = append(all, binary.LittleEndian.Uint64(data))
	}
	return all
}

// counted names the buckets that counted anything.
func counted(data []byte) (text string) {
	for i, n := range words(data) {
		if n > 0 {
			text += fmt.Sprintf("%d:%d ", i, n)
		}
	}
	return text
}

func (p played) over(name string) []byte {
	m := p.named(name)
	return p.maps[object.Vars].Lookup(make([]byte, 4), 0)[m.Over:][:m.ValueSize]
}

func TestWhatFindsNoRoomIsAddedUp(t *testing.T) {
	const text = `package trap
var (
	n   map[uint64]uint64
	sum map[uint64]int32
	own uint64
)
func pre() {
	n[arg(0)]++
	sum[arg(0)] += int32(arg(0))
	own++
}
`
	p := play(t, text, 1, 2, 3, 4, 3, 1, -5)
	if got := words(p.over("n")); got[0] != 4 {
		t.Errorf("n: %d found no room, want 4", got[0])
	}
	if got := int32(binary.LittleEndian.Uint32(p.over("sum"))); got != 3+4+3-5 {
		t.Errorf("sum: %d found no room, want 5", got)
	}
	if own := p.unit.Maps[0].Fields[0]; own.Name != "own" || words(p.maps[object.Vars].Lookup(make([]byte, 4), 0)[own.Offset:])[0] != 7 {
		t.Errorf("own is %v", own)
	}
}

func TestHistogramsOfKeysCountEveryValue(t *testing.T) {
	const text = `package trap
var sizes, coarse map[uint64]hist
var steps hist
func pre() {
	sizes[arg(0) & 3].add(arg(0))
	coarse[arg(0) & 3].linear(int64(arg(0)), -10, 20, 10)
	steps.linear(arg(0), 0, 30, 10)
}
`
	p := play(t, text, 0, 4, 4, 5, 8, 6, 7, -11, -5)
	at := func(name string, key uint64) string {
		return counted(p.maps[name].Lookup(binary.LittleEndian.AppendUint64(nil, key), 0))
	}
	got := map[string]string{
		"sizes[0]": at("sizes", 0), "sizes[1]": at("sizes", 1), "sizes other": counted(p.over("sizes")),
		"coarse[0]": at("coarse", 0), "coarse[1]": at("coarse", 1), "coarse other": counted(p.over("coarse")),
	}
	want := map[string]string{ // -11 is 1 and -5 is 3 modulo 4
		"sizes[0]": "0:1 3:2 4:1 ", "sizes[1]": "3:1 64:1 ", "sizes other": "3:2 64:1 ",
		"coarse[0]": "2:4 ", "coarse[1]": "0:1 2:1 ", "coarse other": "1:1 2:2 ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	steps := ""
	for i := range uint32(p.named("steps").Entries) {
		key := binary.LittleEndian.AppendUint32(nil, i)
		a, b := words(p.maps["steps"].Lookup(key, 0))[0], words(p.maps["steps"].Lookup(key, 1))[0]
		steps += fmt.Sprint(a+b, " ")
	}
	if steps != "0 7 0 0 2 " { // without a sign, -5 is beyond 30
		t.Errorf("steps: %s", steps)
	}
}

func TestAStatKeepsTheLeastAndTheGreatestOfEachCPU(t *testing.T) {
	const text = `package trap
var all stat
var by map[uint64]stat
func pre() {
	all.add(int64(arg(0)))
	by[arg(0)].add(int32(arg(0)))
}
`
	p := play(t, text, 7, -3, 9, 100, 9, 5)
	stat := func(data []byte) [4]int64 {
		w := words(data)
		return [4]int64{int64(w[0]), int64(w[1]), int64(^w[3] ^ 1<<63), int64(w[2] ^ 1<<63)}
	}
	first := make([]byte, 4)
	for cpu, want := range [][4]int64{{3, 25, 7, 9}, {3, 102, -3, 100}} {
		if got := stat(p.maps["all"].Lookup(first, uint32(cpu))); got != want {
			t.Errorf("all on CPU %d: count, sum, least, greatest %v, want %v", cpu, got, want)
		}
	}
	for cpu, want := range [][4]int64{{2, 18, 9, 9}, {2, 105, 5, 100}} {
		if got := stat(p.maps[p.named("by").Other].Lookup(first, uint32(cpu))); got != want {
			t.Errorf("other on CPU %d: %v, want %v", cpu, got, want)
		}
	}
	if got, want := stat(p.maps["by"].Lookup(binary.LittleEndian.AppendUint64(nil, 7), 0)), [4]int64{1, 7, 7, 7}; got != want {
		t.Errorf("by 7: %v, want %v", got, want)
	}
}
