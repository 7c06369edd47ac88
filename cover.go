package ktrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"ktrap/internal/flow"
	"ktrap/internal/kernel"
	"ktrap/internal/place"
)

// Cover counts how often the blocks of a function run. Its probes are registered as
// others are:
//
//	c, err := s.Cover("vfs_read", ktrap.Probe{}, ktrap.Disassembler{})
//	regs, err := s.Register(ctx, c.Probes()...)
//	… s.Close()
//	coverage, err := c.Coverage(regs)
type Cover struct {
	code *Disassembly
	flow flow.Graph
	like Probe
	at   []Address       // where each block is counted; 0 for nowhere
	why  []string        // why nowhere
	jump map[int]Address // by block: the conditional jump at its end, where it is counted how often it is taken
}

// Cover finds the blocks of a function and where they are counted: each at its first
// instruction that can be probed, and a conditional jump where it would not follow
// from the blocks how often it is taken. Of like, PID and Comm count.
func (s *Session) Cover(text string, like Probe, how Disassembler) (*Cover, error) {
	p, err := place.Parse(text)
	if err != nil {
		return nil, err
	}
	if !p.IsEntry() || p.Glob || p.Return {
		return nil, fmt.Errorf("%s: functions are covered whole: give a function's name", p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code, err := s.on.Disassemble(text, how)
	if err != nil {
		return nil, err
	}
	c := &Cover{code: code, like: Probe{PID: like.PID, Comm: like.Comm, Once: like.Once, Quiet: true, Optional: true}}
	c.flow = code.flow()
	c.points()
	if len(c.Probes()) == 0 {
		return nil, fmt.Errorf("%s: none of its %d blocks can be counted: its code %s", p, len(c.at), c.why[0])
	}
	return c, nil
}

// Probes are what counts.
func (c *Cover) Probes() (all []*Probe) {
	add := func(at Address, cond string) {
		probe := c.like
		probe.Addr, probe.If = uint64(at), cond
		all = append(all, &probe)
	}
	for i, at := range c.at {
		if at != 0 {
			add(at, "")
		}
		if at, ok := c.jump[i]; ok {
			add(at, c.code.taken(i))
		}
	}
	return all
}

// points chooses where each block is counted, and which jumps.
func (c *Cover) points() {
	known := c.flow.New()
	for i, b := range c.code.Blocks {
		at, why := c.code.countable(b)
		if c.code.padding(b) {
			at, why = 0, padding
		}
		c.at, c.why = append(c.at, at), append(c.why, why)
		known.Blocks[i].Known = at != 0 || c.code.padding(b)
	}
	c.jump = map[int]Address{}
	for {
		i := c.flow.Open(known, func(i int) bool { return c.jump[i] == 0 && c.code.taken(i) != "" })
		if i < 0 {
			return
		}
		b := c.code.Blocks[i]
		c.jump[i] = c.code.Lines[b.End-1].Addr
		known.Edges[i][taken(b)].Known = true
	}
}

// flow is the graph of the function's blocks. Jumps that go where only running tells
// leave the function, unless there are blocks that nothing else leads to: then they
// may come anywhere.
func (d *Disassembly) flow() flow.Graph {
	g := flow.Graph{Blocks: make([]flow.Block, len(d.Blocks))}
	hidden := slices.ContainsFunc(d.Blocks, func(b Block) bool { return b.Unreached && !d.padding(b) })
	for i, b := range d.Blocks {
		for _, e := range b.Succ {
			g.Blocks[i].Succ = append(g.Blocks[i].Succ, max(e.To, flow.Out))
			if e.Kind == "indirect" && hidden {
				g.Blocks[i].Left = true
			}
		}
		g.Blocks[i].Entered = i > 0 && (hidden || b.Entered)
	}
	return g
}

// padding is why a block is not counted that never runs.
const padding = "padding"

// padding is what stands between blocks and never runs.
func (d *Disassembly) padding(b Block) bool {
	return b.Unreached && !slices.ContainsFunc(d.Lines[b.Start:b.End], func(l Line) bool {
		return !nothing.MatchString(l.Text)
	})
}

// nothing is what compilers fill gaps with.
var nothing = regexp.MustCompile(`^(int3|((data16 |cs )*nop[wl]?\b.*))$`)

// stands is the first line of a block on which a probe may stand and that surely runs
// before the block calls anybody.
func (d *Disassembly) stands(b Block) (line int, ok bool) {
	for i := b.Start; i < b.End; i++ {
		if m := d.Lines[i].Mark; m != MarkNone && m != MarkUnknown {
			return i, true
		}
		if splitInstruction(d.Lines[i].Text).isCall() {
			break
		}
	}
	return 0, false
}

// countable is where a block is counted, or why it can't be.
func (d *Disassembly) countable(b Block) (at Address, why string) {
	if i, ok := d.stands(b); ok {
		return d.Lines[i].Addr, ""
	}
	if why = d.Lines[b.Start].Why; why == "" {
		why = "no probe can stand there"
	}
	return 0, why
}

// taken is the number of the edge that a conditional jump takes, -1 for none.
func taken(b Block) int {
	return slices.IndexFunc(b.Succ, func(e Edge) bool { return e.Kind == "taken" })
}

// conditions are what is true of the flags if a jump with that number is taken; of the
// next number if it is not.
var conditions = [...]string{
	"r.flags & 0x800 != 0", "r.flags & 1 != 0", "r.flags & 0x40 != 0", "r.flags & 0x41 != 0",
	"r.flags & 0x80 != 0", "r.flags & 4 != 0", "(r.flags>>7 ^ r.flags>>11) & 1 != 0",
	"r.flags & 0x40 != 0 || (r.flags>>7 ^ r.flags>>11) & 1 != 0",
}

// taken is true in front of block i's last instruction if it is a conditional jump
// that will be taken; "" where none goes by the flags, or no probe can stand.
func (d *Disassembly) taken(i int) string {
	b := d.Blocks[i]
	jump := d.Lines[b.End-1]
	if taken(b) < 0 || jump.Mark == MarkNone || jump.Mark == MarkUnknown || d.Arch != "amd64" {
		return ""
	}
	number := byte(0)
	switch op := jump.Bytes; {
	case op[0]&0xf0 == 0x70:
		number = op[0] & 15
	case op[0] == 0x0f && len(op) > 1 && op[1]&0xf0 == 0x80:
		number = op[1] & 15
	default:
		return "" // a jump label, jrcxz
	}
	if number&1 != 0 {
		return "!(" + conditions[number>>1] + ")"
	}
	return conditions[number>>1]
}

// Count is how often something ran, if that is known. In JSON it is a number or null.
type Count struct {
	N     uint64
	Known bool
}

// MarshalJSON writes a number or null.
func (c Count) MarshalJSON() ([]byte, error) {
	if !c.Known {
		return []byte("null"), nil
	}
	return json.Marshal(c.N)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Count) UnmarshalJSON(text []byte) error {
	c.Known = string(text) != "null"
	return json.Unmarshal(text, &c.N)
}

// Coverage is how often the blocks of a function ran and the edges between them were
// taken, while its probes were armed.
type Coverage struct {
	Code   *Disassembly `json:"code"`
	Calls  Count        `json:"calls"`
	Ended  Count        `json:"ended"`  // calls that left the function
	Blocks []Covered    `json:"blocks"` // of Code.Blocks
	// Missed are hits that the kernel kept from the probes. Without a filter they are
	// in the counts, as far as they are known.
	Missed      uint64 `json:"missed"`
	MissesKnown bool   `json:"misses_known"`
	// Once says that counts are 0 or 1: only whether something ran was looked for.
	Once bool `json:"once,omitempty"`
	// Threads is how many the machine had: so many calls, and seldom more, may have been
	// under way when counting began, and when it ended.
	Threads uint64 `json:"threads,omitempty"`
}

// Covered is one block.
type Covered struct {
	Ran   Count   `json:"ran"`
	Edges []Count `json:"edges,omitempty"` // of Block.Succ
	// At is where it was counted; if nowhere, Why not, and Ran is what follows from
	// others.
	At  Address `json:"at,omitempty"`
	Why string  `json:"why,omitempty"`
	// Off is by how much the edges into it, or out of it, are more than it ran, where
	// each is counted: calls that were under way at the beginning or at the end, and
	// what was missed.
	Off int64 `json:"off,omitempty"`
}

// Coverage is what registrations of Probes have counted so far; what they have
// counted in all, once the session is closed.
func (c *Cover) Coverage(regs []*Registration) (*Coverage, error) {
	out := &Coverage{Code: c.code, MissesKnown: true, Once: c.like.Once, Threads: kernel.Threads()}
	counts := c.flow.New()
	var errs []error
	count := func(at Address, cond string) (n flow.Count) {
		i := slices.IndexFunc(regs, func(r *Registration) bool { return r.probe.Addr == uint64(at) && r.probe.If == cond && r.probe.Quiet })
		if at == 0 || i < 0 {
			return n
		}
		l, err := regs[i].Ledger()
		errs = append(errs, err)
		n = flow.Count{N: l.Hits - l.Filtered, Known: true}
		if lost := l.Missed + l.Recursion; c.like.filters() || cond != "" {
			n.N -= lost // whose, nobody knows
		}
		if c.like.Once {
			n.N = min(n.N, 1)
		}
		out.Missed += l.Missed + l.Recursion
		out.MissesKnown = out.MissesKnown && l.MissesKnown
		return n
	}
	for i, b := range c.code.Blocks {
		counts.Blocks[i] = count(c.at[i], "")
		if c.code.padding(b) {
			counts.Blocks[i].Known = true
		}
		if at, ok := c.jump[i]; ok {
			counts.Edges[i][taken(b)] = count(at, c.code.taken(i))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if c.like.Once {
		c.flow.SolveOnce(counts)
	} else {
		c.flow.Solve(counts)
	}
	out.Calls, out.Ended = Count(counts.Calls), Count(counts.Ended)
	for i, n := range counts.Blocks {
		block := Covered{Ran: Count(n), At: c.at[i], Why: c.why[i], Off: counts.Off[i]}
		for _, e := range counts.Edges[i] {
			block.Edges = append(block.Edges, Count(e))
		}
		out.Blocks = append(out.Blocks, block)
	}
	return out, nil
}

// filters tells that not every hit counts.
func (p *Probe) filters() bool { return p.PID != 0 || p.Comm != "" }

// Padding reports whether block i only fills a gap: it is no block of the function's.
func (c *Coverage) Padding(i int) bool { return c.Blocks[i].Why == padding }

// Explained tells whether calls that were under way when counting began or ended, and
// missed hits, may be all by which what enters blocks and what leaves them differs. If
// not, the function has ways that are not known. Where misses are not known it may be.
func (c *Coverage) Explained() bool {
	return !c.MissesKnown || uint64(c.Sum().Off) <= c.Missed+2*c.Threads
}

// Sum is what a Coverage comes to.
type Sum struct {
	Blocks, RanBlocks, Edges, TakenEdges, Unknown int
	Off                                           int64 // the largest
}

// Sum adds up. Padding does not count.
func (c *Coverage) Sum() (s Sum) {
	add := func(n Count, all, ran *int) {
		*all++
		switch {
		case !n.Known:
			s.Unknown++
		case n.N > 0:
			*ran++
		}
	}
	for i, b := range c.Blocks {
		if c.Padding(i) {
			continue
		}
		add(b.Ran, &s.Blocks, &s.RanBlocks)
		for _, e := range b.Edges {
			add(e, &s.Edges, &s.TakenEdges)
		}
		s.Off = max(s.Off, b.Off, -b.Off)
	}
	return s
}
