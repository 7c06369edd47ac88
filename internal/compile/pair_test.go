package compile_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"ktrap/internal/arch"
	"ktrap/internal/compile"
	"ktrap/internal/interp"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
)

const paired = `package trap

type seen struct {
	number uint64
	odd    bool
}

var right, wrong uint64

//ktrap:pre vfs_read
func begin(r *regs) (seen, bool) { return seen{r.di, r.di%2 == 1}, r.di%3 != 0 }

//ktrap:ret vfs_read
func end(count uint64, e seen, rv int64) {
	if e.number == uint64(rv) && e.odd == (rv%2 == 1) && count == e.number+1 && e.number%3 != 0 {
		right++
	} else {
		wrong++
	}
}
`

// stage runs both handlers of a pair, by the contexts of one mechanism.
type stage struct {
	t          *testing.T
	entry, ret *interp.Program
	counts     *interp.Map
	maps       map[string]*interp.Map
	unit       *compile.Unit
}

func newStage(t *testing.T, text string) *stage {
	src := compile.Source{Name: "pair.go", Text: []byte(text)}
	u, errs := compile.Check(src, compile.Env{BTF: smallKernel(t)})
	if errs != nil {
		t.Fatal(errs.Render(func(string) []byte { return src.Text }))
	}
	s := &stage{t: t, unit: u, maps: interpMaps(u)}
	s.counts = &interp.Map{Kind: interp.PerCPUArray, KeySize: 4, ValueSize: object.CountSize, MaxEntries: 2}
	armed := &interp.Map{Kind: interp.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	if err := armed.Update(make([]byte, 4), []byte{1, 0, 0, 0, 1, 0, 0, 0}, 0); err != nil {
		t.Fatal(err)
	}
	s.maps[object.Counts], s.maps[object.State] = s.counts, armed
	s.entry = s.load(0, object.Kprobe)
	s.ret = s.load(1, object.Kretprobe)
	return s
}

func (s *stage) load(n uint32, c object.Context) *interp.Program {
	h := s.unit.Handlers[slices.IndexFunc(s.unit.Handlers, func(h *compile.Handler) bool { return (h.Kind == "ret") == (n == 1) })]
	o, err := h.Emit(compile.Target{Context: c, Point: ledger.Point{Index: n, Points: 2}})
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := interp.Load(o.Insns, s.maps)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// A call is one of a thread, at a depth of its stack.
type call struct {
	thread, depth, number uint64
}

func (s *stage) run(p *interp.Program, c call, sp uint64) {
	regs := make([]byte, arch.AMD64.RegsSize)
	set := func(name string, v uint64) {
		for _, r := range arch.AMD64.Regs {
			if r.Name == name {
				binary.LittleEndian.PutUint64(regs[r.Offset:], v)
			}
		}
	}
	set("sp", sp)
	set("di", c.number)
	set("dx", c.number+1)
	set("ax", c.number)
	if _, err := p.Run(interp.Env{Context: interp.Regs(regs), PidTgid: c.thread}); err != nil {
		s.t.Fatal(err)
	}
}

func (c call) frame() uint64 { return 1<<40 + c.thread<<14 - c.depth*64 }

func (s *stage) begin(c call) { s.run(s.entry, c, c.frame()) }
func (s *stage) end(c call)   { s.run(s.ret, c, c.frame()+8) }

func (s *stage) counted(offset int) uint64 {
	return binary.LittleEndian.Uint64(s.counts.Lookup([]byte{1, 0, 0, 0}, 0)[offset:])
}

func (s *stage) variables() []uint64 {
	return words(s.maps[object.Vars].Lookup(make([]byte, 4), 0))[:2]
}

// Threads call and return at random, recursively, and some calls never return.
func TestCallsOfManyThreadsArePairedRight(t *testing.T) {
	s := newStage(t, paired)
	rnd := rand.New(rand.NewPCG(1, 2))
	running := map[uint64][]call{}
	var right, left uint64
	for number := uint64(1); number < 4000; number++ {
		thread := rnd.Uint64N(5)
		stack := running[thread]
		switch n := len(stack); {
		case n > 0 && rnd.IntN(100) < 48:
			last := stack[n-1]
			s.end(last)
			if running[thread] = stack[:n-1]; last.number%3 == 0 {
				left++
			} else {
				right++
			}
		case n > 3 && rnd.IntN(20) == 0: // the thread's inner calls are given up
			running[thread] = stack[:1]
		default:
			c := call{thread, uint64(n + 1), number}
			s.begin(c)
			running[thread] = append(stack, c)
		}
	}
	if got := s.variables(); got[0] != right || got[1] != 0 {
		t.Errorf("%d pairs right and %d wrong, want %d and 0", got[0], got[1], right)
	}
	if got := s.counted(object.FilteredOffset); got != left {
		t.Errorf("%d calls not followed, want %d", got, left)
	}
	if got := s.counted(object.UnpairedOffset); got != 0 {
		t.Errorf("%d returns without an entry", got)
	}
}

func TestAReturnWhoseEntryWasNotSeenIsCounted(t *testing.T) {
	s := newStage(t, paired)
	s.end(call{1, 1, 7})  // nothing is known of it
	lost := call{2, 1, 7} // never returns, and its thread ends
	s.begin(lost)
	s.run(s.ret, call{3, 1, 7}, lost.frame()+8) // another thread has its stack
	s.begin(call{1, 1, 8})
	s.end(call{1, 1, 8})
	s.end(call{1, 1, 8}) // its entry is used up
	if got := fmt.Sprint(s.counted(object.UnpairedOffset), s.variables()); got != "3 [1 0]" {
		t.Errorf("unpaired, right and wrong are %s, want 3 [1 0]", got)
	}
}
