package ktrap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"ktrap/internal/oneliner"
	"ktrap/internal/way"
)

// Path asks for the ways that calls take through a function.
type Path struct {
	Func string // [MODULE:]SYMBOL
	// If tells which calls: an expression as those of a OneLine over the function's
	// parameters as they were at its entry; retval; err, the error number that it
	// returned, below zero, as a number or a pointer, else 0; took, the call's
	// nanoseconds; and the names of errors: err == -ENOENT.
	If    string
	Depth int  // how deep the functions that it calls are followed; 0 for not at all
	Diff  bool // the other calls are sent as well, not only some of them to compare with
	PID   uint32
	Comm  string
	// Under is a process whose descendants' calls are asked for; 0 for all.
	Under uint32
	// Source finds lines of source, out of DWARF.
	Source bool
	DWARF  string
}

// sampled is how many calls for which If is false are compared with.
const sampled = 256

func (p Path) others() int {
	if p.Diff {
		return math.MaxInt64
	}
	return sampled
}

// Paths is a Path that is armed.
type Paths struct {
	session  *Session
	asked    Path
	script   *Script
	followed []*follower
	flows    []way.Graph // of each function
	probes   []*Probe
	means    map[uint32]meaning // by the number of a point
	regs     []*Registration
	parts    map[partial]*pieces // calls whose records have come in part
	profiles []way.Profile       // of each function: the calls to compare with
	wanted   way.Profile
	ways     commonWays
	left     []string
	counts   PathCounts
}

// PathCounts accounts for calls.
type PathCounts struct {
	Seen   uint64 `json:"seen"`   // whose way is known
	Others uint64 `json:"others"` // for which If is false
	Broken uint64 `json:"broken"` // whose steps are no way: some were missed
	// Crowded are calls that were not followed because too many were at once, Lost
	// those of which a record found no room.
	Crowded    uint64 `json:"crowded"`
	Lost       uint64 `json:"lost"`
	Unfinished uint64 `json:"unfinished"` // whose return was not seen
	Unbegun    uint64 `json:"unbegun"`    // returns of calls whose entry was not seen
	Cut        uint64 `json:"cut"`        // of those seen, longer than what is kept of a call
	// Missed are hits of the probes that the kernel missed, as far as it tells.
	Missed uint64 `json:"missed"`
	Why    string `json:"why,omitempty"` // what was wrong with the first of the Broken
}

// meaning is what a hit of a point is.
type meaning struct {
	kind  way.Kind
	fn    int
	block int
}

// Path arms probes on the blocks of a function, at its entry and at its return, and of
// the functions that it calls as deep as p says. Calls reads what they tell.
func (s *Session) Path(ctx context.Context, p Path) (*Paths, error) {
	w, err := s.path(ctx, p)
	if err != nil {
		return nil, err
	}
	if w.regs, err = s.Register(ctx, w.probes...); err != nil {
		return nil, err
	}
	w.learn()
	return w, nil
}

// PathPlan is what Path would do, found out without loading or arming anything.
func (s *Session) PathPlan(ctx context.Context, p Path) (*Plan, error) {
	w, err := s.path(ctx, p)
	if err != nil {
		return nil, err
	}
	return s.Plan(ctx, w.probes...)
}

func (s *Session) path(ctx context.Context, p Path) (*Paths, error) {
	if strings.ContainsAny(p.Func, "+*?%@") || strings.HasPrefix(p.Func, "0x") {
		return nil, fmt.Errorf("%s: a path is that of a function: name it alone", p.Func)
	}
	if err := meansPID(p.PID | p.Under); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &Paths{session: s, asked: p, parts: map[partial]*pieces{}, means: map[uint32]meaning{}, ways: commonWays{all: map[string]*CommonWay{}}}
	var err error
	if w.followed, w.left, err = s.followed(ctx, p, Disassembler{Source: p.Source, DWARF: p.DWARF}); err != nil {
		return nil, err
	}
	if neverReturns(w.followed[0].code.Symbol) {
		return nil, fmt.Errorf("%s never returns, and the way of a call is known when it does: ktrap cover counts its blocks", p.Func)
	}
	w.profiles = make([]way.Profile, len(w.followed))
	for _, f := range w.followed {
		w.flows = append(w.flows, f.flow)
	}
	words := make([][]string, len(w.followed))
	var regs []string
	for i, f := range w.followed {
		words[i] = f.words()
		f.settle(words[i], &w.flows[i])
		regs = append(regs, words[i]...)
	}
	slices.Sort(regs)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.script, err = s.pathScript(p, slices.Compact(regs)); err != nil {
		return nil, err
	}
	return w, w.place(words)
}

// pathScript is the handlers' file, compiled.
func (s *Session) pathScript(p Path, regs []string) (*Script, error) {
	at := HandlerFile{Name: "path.go", Place: p.Func}
	made, err := oneliner.Make(p.request(regs), s.on.env(s.arch, at))
	if err != nil {
		return nil, typed(err)
	}
	at.Text = []byte(made.Text)
	x, err := s.script(at)
	if err == nil {
		x.words = true // the rest are the steps of calls under way
	}
	return x, err
}

// place gives each probe its handler.
func (w *Paths) place(words [][]string) error {
	handlers := map[string]*Handler{}
	for _, h := range w.script.unit.Handlers {
		handlers[h.Name] = w.script.handler(w.script.unit, h)
	}
	root := uint64(w.followed[0].code.Addr)
	for _, h := range w.script.unit.Handlers {
		switch {
		case h.Name == oneliner.Back || strings.HasPrefix(h.Name, oneliner.Block):
		case h.Kind == "ret":
			w.probes = append(w.probes, &Probe{Addr: root, Return: true, Ret: handlers[h.Name]})
		default:
			w.probes = append(w.probes, &Probe{Addr: root, Pre: handlers[h.Name]})
		}
	}
	for i, f := range w.followed {
		for b, probe := range f.probes {
			if probe != nil {
				probe.Pre = handlers[oneliner.Block+words[i][b]]
				w.probes = append(w.probes, probe)
			}
		}
		if f.back != nil {
			f.back.Ret = handlers[oneliner.Back]
			w.probes = append(w.probes, f.back)
		}
	}
	return nil
}

// learn notes what the numbers of points mean, and which blocks are seen.
func (w *Paths) learn() {
	at := map[uint64]meaning{}
	returns := map[uint64]int{}
	for i, f := range w.followed {
		for b, probe := range f.probes {
			if probe != nil {
				at[probe.Addr] = meaning{way.Pass, i, b}
			}
		}
		returns[uint64(f.code.Addr)] = i
		at[uint64(f.code.Addr)] = meaning{way.Enter, i, 0}
	}
	w.session.mu.Lock()
	defer w.session.mu.Unlock()
	for n, r := range w.session.regs {
		if !slices.Contains(w.regs, r) {
			continue
		}
		m := at[r.asked]
		if r.probe.Return {
			m = meaning{way.Leave, returns[r.asked], 0}
		}
		w.means[uint32(n)] = m
		if !r.probe.Return {
			w.flows[m.fn].Blocks[m.block].Seen = true
		}
	}
}

// Registrations are the probes that are armed.
func (w *Paths) Registrations() []*Registration { return w.regs }

// Functions are those that are followed, the one that was asked for first.
func (w *Paths) Functions() (all []*Disassembly) {
	for _, f := range w.followed {
		all = append(all, f.code)
	}
	return all
}

// LeftOut are the functions that are called and not followed, and why; and the blocks
// that no probe sees.
func (w *Paths) LeftOut() []string {
	all := slices.Clone(w.left)
	for i, f := range w.followed {
		for b, block := range w.flows[i].Blocks {
			if code := f.code.Blocks[b]; !block.Seen && !f.code.padding(code) {
				l := f.code.Lines[code.Start]
				all = append(all, strings.TrimSpace(fmt.Sprintf("%s+%#x: no probe sees this block: %s", f.code.Symbol, l.Offset, l.Why)))
			}
		}
	}
	return all
}

// Calls yields each call that was sent, in the order of their returns. When ctx is done
// it detaches all probes of the session, yields what had been recorded by then and ends.
func (w *Paths) Calls(ctx context.Context) iter.Seq2[*PathCall, error] {
	return func(yield func(*PathCall, error) bool) {
		for ev, err := range w.session.Events(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if c := w.take(ev); c != nil && !yield(c, nil) {
				return
			}
		}
	}
}

// Counts accounts for the calls; it is final when the session is closed.
func (w *Paths) Counts() (PathCounts, error) {
	c := w.counts
	c.Lost += uint64(len(w.parts))
	tables, err := w.script.Tables()
	for _, t := range tables {
		if t.Value == nil {
			continue
		}
		switch n := t.Value.Bits; t.Name {
		case "others":
			c.Others = n
		case "crowded":
			c.Crowded = n
		case "unfinished":
			c.Unfinished = n
		case "unbegun":
			if p := w.asked; p.PID|p.Under == 0 && p.Comm == "" { // else those of others
				c.Unbegun = n - min(n, c.Crowded)
			}
		}
	}
	for _, r := range w.regs {
		l, failed := r.Ledger()
		c.Missed, err = c.Missed+l.Missed+l.Recursion, errors.Join(err, failed)
	}
	return c, err
}

// partial is whose records a part is of.
type partial struct {
	tid   int
	began uint64
}

type pieces struct {
	words []uint64 // of steps, in pairs
	have  int      // chunks
}

// mostParts bounds the calls of which records are missing.
const mostParts = 4096

// take adds a record; it returns the call whose last it is.
func (w *Paths) take(ev *Event) *PathCall {
	sent, ok := ev.sent()
	if !ok || ev.Registration.Script() != w.script {
		return nil
	}
	word := func(i int) uint64 { return le.Uint64(ev.record[sent.Fields[i].Offset:]) }
	total, from := word(int(oneliner.Steps)), word(int(oneliner.From))
	kept := min(total, uint64(w.kept()))
	key := partial{ev.TID, word(int(oneliner.Began))}
	p := w.parts[key]
	if p == nil {
		if len(w.parts) == mostParts {
			w.counts.Lost += uint64(len(w.parts))
			clear(w.parts)
		}
		p = &pieces{words: make([]uint64, 2*w.kept())}
		w.parts[key] = p
	}
	for i := range 2 * oneliner.Chunk {
		if at := 2*int(from) + i; at < len(p.words) {
			p.words[at] = word(int(oneliner.HeadSize) + i)
		}
	}
	if p.have++; p.have*oneliner.Chunk < int(kept) {
		return nil
	}
	delete(w.parts, key)
	return w.whole(ev, p.words[:2*kept], total, word(int(oneliner.Wanted)) != 0, word(int(oneliner.Retval)))
}

func (w *Paths) kept() int { return w.asked.request(nil).Follow.Steps }

// whole makes a call of its words.
func (w *Paths) whole(ev *Event, words []uint64, total uint64, wanted bool, result uint64) *PathCall {
	steps, err := w.steps(words, total, uint8(ev.TID))
	if ev.TID == 0 {
		steps, err = w.steps(words, total, uint8(ev.CPU))
	}
	var call *way.Call
	if err == nil {
		call, err = way.Assemble(w.flows, steps)
	}
	if err != nil {
		w.counts.Broken++
		if w.counts.Why == "" {
			w.counts.Why = err.Error()
		}
		return nil
	}
	w.counts.Seen++
	if call.Cut {
		w.counts.Cut++
	}
	c := &PathCall{Time: ev.Time, CPU: ev.CPU, PID: ev.PID, TID: ev.TID, Comm: ev.Comm, Wanted: wanted, Steps: total, of: w, call: call}
	w.compare(c)
	c.Way = w.way(call)
	c.Decided = w.decide(call)
	w.sum(c)
	return c
}

var errMixed = errors.New("steps of two threads")

// steps are the words of a call, in order: the last half of a long one goes round.
func (w *Paths) steps(words []uint64, total uint64, tag uint8) (all []way.Step, err error) {
	n := len(words) / 2
	step := func(i int) {
		word := words[2*i]
		m, known := w.means[uint32(word>>oneliner.PointShift)]
		if !known {
			m.fn = -1
		}
		if uint8(word>>oneliner.TagShift) != tag {
			err = errMixed
		}
		all = append(all, way.Step{Kind: m.kind, Func: m.fn, Block: m.block, At: word & oneliner.TimeMask, Word: words[2*i+1]})
	}
	if total <= uint64(n) {
		for i := range n {
			step(i)
		}
		return all, err
	}
	half := n / 2
	for i := range half {
		step(i)
	}
	all = append(all, way.Step{Kind: way.Gap})
	for i := range half {
		step(half + int((total+uint64(i))%uint64(half)))
	}
	return all, err
}

// compare keeps the ways of calls that others are compared with: of the function that
// was asked for those for which If is false, else those that did not fail.
func (w *Paths) compare(c *PathCall) {
	if w.asked.If == "" && w.asked.Diff {
		c.Wanted = way.ErrorNumber(c.call.Result) != 0
	}
	other := !c.Wanted || w.asked.If == "" && way.ErrorNumber(c.call.Result) == 0
	if other {
		w.profiles[0].Add(c.call)
	} else {
		w.wanted.Add(c.call)
	}
	var within func(*way.Call)
	within = func(call *way.Call) {
		for _, v := range call.Visits {
			for _, in := range v.Inner {
				if in.Func != 0 && way.ErrorNumber(in.Result) == 0 && !in.Cut {
					w.profiles[in.Func].Add(in)
				}
				within(in)
			}
		}
	}
	within(c.call)
}
