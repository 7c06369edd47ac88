package compile_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"ktrap/internal/arch"
	"ktrap/internal/compile"
	"ktrap/internal/interp"
	"ktrap/internal/object"
)

// A situation is what a handler of vfs_read finds.
type situation struct {
	Comm, Text string
	Pid, Tid   uint32
	Count      uint64
	Pos, From  int64
	Ino        uint64
	Mode       uint16
	Open       uint32
}

func situations() (all []situation) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		all = append(all, situation{
			Comm: []string{"dd", "cat", "a-name-of-15-by", ""}[rng.IntN(4)],
			Text: []string{"text", "longer than 7", ""}[rng.IntN(3)],
			Pid:  rng.Uint32N(5), Tid: rng.Uint32(), Count: rng.Uint64N(1000),
			Pos: rng.Int64N(2000) - 1000, From: rng.Int64N(9), Ino: rng.Uint64(), Mode: uint16(rng.Uint32()), Open: rng.Uint32N(2),
		})
	}
	return all
}

// findings is what the handler leaves.
type findings struct {
	Calls, Last, Emitted []string
	Sizes, Spans         []int64
	Total                uint64
	Open                 uint32
}

// A handler in a folder with the file that Beside writes runs under go test, and
// does there what its program does.
func TestAHandlerDoesUnderGoTestWhatItDoesInInterp(t *testing.T) {
	all := situations()
	native := underGoTest(t, all)
	got := inTheKernelsStead(t, all)
	for _, x := range []struct{ what, got, want any }{
		{"calls", got.Calls, native.Calls}, {"last", got.Last, native.Last}, {"emitted", got.Emitted, native.Emitted},
		{"total", got.Total, native.Total}, {"open", got.Open, native.Open},
		{"sizes", got.Sizes, powers(native.Sizes, len(got.Sizes))}, {"spans", got.Spans, summed(native.Spans)},
	} {
		if !reflect.DeepEqual(x.got, x.want) {
			t.Errorf("%s:\nin interp %v\nas Go     %v", x.what, x.got, x.want)
		}
	}
	if len(native.Emitted) < 50 || len(native.Spans) < 50 {
		t.Errorf("only %d records and %d spans were compared", len(native.Emitted), len(native.Spans))
	}
}

func underGoTest(t *testing.T, all []situation) (o findings) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "go.mod", "module tested\n\ngo 1.26\n")
	var sources []compile.Source
	for _, name := range []string{"reads.go", "reads_test.go"} {
		text, err := os.ReadFile(filepath.Join("testdata/tested", name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(text))
		sources = append(sources, compile.Source{Name: name, Text: text})
	}
	beside, err := compile.Beside("trap", sources, compile.Env{Arch: arch.AMD64, BTF: smallKernel(t)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "ktrap_types.go", beside)
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "situations.json", string(text))
	cmd := exec.Command("go", "test", ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go test: %v\n%s", err, out)
	}
	text, err = os.ReadFile(filepath.Join(dir, "results.json"))
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func inTheKernelsStead(t *testing.T, all []situation) findings {
	t.Helper()
	text, err := os.ReadFile("testdata/tested/reads.go")
	if err != nil {
		t.Fatal(err)
	}
	u, errs := compile.Check(compile.Source{Name: "reads.go", Text: text}, compile.Env{BTF: smallKernel(t)})
	if errs != nil {
		t.Fatal(errs)
	}
	program, err := u.Handlers[0].Emit(compile.Target{Context: object.Kprobe, Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	maps := interpMaps(u)
	maps[object.Ring] = &interp.Map{Kind: interp.Ring, MaxEntries: 1 << 20}
	if err := maps[object.Vars].Update(make([]byte, 4), mapOf(u, object.Vars).Init, 0); err != nil {
		t.Fatal(err)
	}
	p, err := interp.Load(program.Insns, maps)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if _, err := p.Run(s.env()); err != nil {
			t.Fatal(err)
		}
	}
	return findingsOf(u, maps)
}

func mapOf(u *compile.Unit, name string) object.Map {
	for _, m := range u.Maps {
		if m.Name == name {
			return m
		}
	}
	panic("no map " + name)
}

// env is the situation in the layout of smallKernel's types.
func (s situation) env() interp.Env {
	const file, inode, text, from = 0x100, 0x200, 0x300, 0x400
	const kernel = uint64(0xffff888000000000)
	le := binary.LittleEndian
	memory := make([]byte, 0x500)
	le.PutUint64(memory[file:], kernel+inode)
	le.PutUint64(memory[file+8:], uint64(s.Pos))
	le.PutUint32(memory[file+16:], s.Open|0xfffffffe)
	le.PutUint64(memory[inode:], s.Ino)
	le.PutUint16(memory[inode+8:], s.Mode)
	copy(memory[text:], s.Text)
	le.PutUint64(memory[from:], uint64(s.From))
	regs := make([]byte, arch.AMD64.RegsSize)
	for _, r := range arch.AMD64.Regs {
		if v, ok := map[string]uint64{"di": kernel + file, "si": kernel + text, "dx": s.Count, "cx": kernel + from}[r.Name]; ok {
			le.PutUint64(regs[r.Offset:], v)
		}
	}
	return interp.Env{
		Context: interp.Regs(regs), Comm: s.Comm, PidTgid: uint64(s.Pid)<<32 | uint64(s.Tid),
		Memory: func(addr uint64, p []byte) bool {
			addr -= kernel
			return addr < uint64(len(memory)) && copy(p, memory[addr:]) == len(p)
		},
	}
}

func findingsOf(u *compile.Unit, maps map[string]*interp.Map) (o findings) {
	list := func(name string) []string {
		var all entries
		for k, v := range maps[name].All(0) {
			all.add(mapOf(u, name), k, v)
		}
		return all.sorted()
	}
	o.Calls, o.Last = list("calls"), list("last")
	vars := maps[object.Vars].Lookup(make([]byte, 4), 0)
	for _, f := range mapOf(u, object.Vars).Fields {
		switch f.Name {
		case "total":
			o.Total = binary.LittleEndian.Uint64(vars[f.Offset:])
		case "open":
			o.Open = binary.LittleEndian.Uint32(vars[f.Offset:])
		}
	}
	for _, r := range maps[object.Ring].Records() {
		o.Emitted = append(o.Emitted, fmt.Sprint(flatten(u.Records[0].Fields, r)))
	}
	for i := range mapOf(u, "sizes").Entries {
		slot := maps["sizes"].Lookup(binary.LittleEndian.AppendUint32(nil, uint32(i)), 0)
		o.Sizes = append(o.Sizes, int64(binary.LittleEndian.Uint64(slot)))
	}
	for _, n := range words(maps["spans"].Lookup(make([]byte, 4), 0)) {
		o.Spans = append(o.Spans, int64(n))
	}
	return o
}

// powers counts values as a hist does.
func powers(values []int64, n int) []int64 {
	slots := make([]int64, n)
	for _, v := range values {
		slots[bits.Len64(uint64(v))]++
	}
	return slots
}

// summed sums values up as a stat does: it keeps the greatest, and the greatest
// complement, as unsigned numbers, so that zero is less than any.
func summed(values []int64) []int64 {
	s := []int64{int64(len(values)), 0, math.MinInt64, math.MinInt64}
	for _, v := range values {
		s[1] += v
		s[2], s[3] = max(s[2], v), max(s[3], ^v)
	}
	s[2], s[3] = s[2]^math.MinInt64, s[3]^math.MinInt64
	return s
}
