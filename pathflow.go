package ktrap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ktrap/internal/oneliner"
	"ktrap/internal/way"
)

// follower is a function whose ways are followed.
type follower struct {
	code   *Disassembly
	flow   way.Graph
	tests  []tested // of each block
	probes []*Probe // of each block, nil where none can stand
	back   *Probe   // its return; nil of the function that was asked for
	depth  int
}

// follower finds a function's blocks, and where a probe tells of each.
func (s *Session) follower(text string, how Disassembler) (*follower, error) {
	d, err := s.on.Disassemble(text, how)
	if err != nil {
		return nil, err
	}
	f := &follower{code: d, flow: way.Graph{Name: d.Symbol}}
	for i, b := range d.Blocks {
		f.flow.Blocks = append(f.flow.Blocks, f.block(b))
		t, _ := d.branch(b)
		f.tests = append(f.tests, t)
		f.probes = append(f.probes, nil)
		if at, ok := d.stands(b); ok && i > 0 && !d.padding(b) {
			f.probes[i] = &Probe{Addr: uint64(d.Lines[at].Addr), Optional: true}
		}
	}
	return f, nil
}

func (f *follower) block(b Block) way.Block {
	out := way.Block{Stray: b.Entered || b.Unreached && !f.code.padding(b), Seen: b.Start == 0}
	for _, e := range b.Succ {
		switch {
		case e.To >= 0 && !slices.Contains(out.Succ, e.To):
			out.Succ = append(out.Succ, e.To)
		case e.Kind == "indirect", e.To < 0 && comesBack(e):
			out.Indirect = true
		}
		out.Ends = out.Ends || e.To < 0 && e.Kind != "next"
	}
	if t, ok := f.code.branch(b); ok {
		out.Branch, out.Tests = true, t.returned
	}
	lines := f.code.Lines[b.Start:b.End]
	out.Calls = len(called(lines)) > 0
	for _, l := range lines {
		if e := splitInstruction(l.Text).makes(); e != 0 {
			out.Makes = append(out.Makes, e)
		}
	}
	return out
}

// comesBack tells of an edge out of the function whether it may lead to where code
// elsewhere jumps back: that of an unlikely part does, and what mends a fault.
func comesBack(e Edge) bool {
	return e.Kind == "taken" || e.Kind == "not-taken" || strings.Contains(e.Out, coldSuffix)
}

// callees are the functions that one calls by name, or ends in.
func (d *Disassembly) callees() (names []string) {
	for _, l := range d.Lines {
		in := splitInstruction(l.Text)
		if l.Target == "" || strings.Contains(l.Target, "+") || !in.isCall() && !in.isJump() {
			continue
		}
		if name := l.Target; !slices.Contains(names, name) && name != d.Symbol && isFollowed(name) {
			names = append(names, name)
		}
	}
	return names
}

// isFollowed tells a function from a part of one and from what stands for an
// instruction.
func isFollowed(name string) bool {
	return !neverReturns(name) && !strings.Contains(name, coldSuffix) && !strings.HasPrefix(name, "__x86_") && name != "__fentry__"
}

// Bounds of what one Path follows.
const (
	maxFollowed = 64
	maxBlocks   = 1536
)

// following gathers the functions of a path.
type following struct {
	session *Session
	path    Path
	how     Disassembler
	all     []*follower
	known   map[string]bool
	blocks  int
	left    []string
}

// followed finds the functions of a path, the one that was asked for first: those that
// return something, which may have decided, and then the others. What is left out is
// told.
func (s *Session) followed(ctx context.Context, p Path, how Disassembler) (all []*follower, left []string, err error) {
	root, err := s.follower(p.Func, how)
	if err != nil {
		return nil, nil, err
	}
	f := following{session: s, path: p, how: how, all: []*follower{root}, known: map[string]bool{root.code.Symbol: true}, blocks: len(root.code.Blocks)}
	for _, void := range []bool{false, true} {
		for i := 0; i < len(f.all); i++ {
			if f.all[i].depth == p.Depth {
				continue
			}
			for _, name := range f.all[i].code.callees() {
				if err := ctx.Err(); err != nil {
					return nil, nil, err
				}
				if !f.known[name] && (void || !s.on.returnsNothing(name)) {
					f.add(name, f.all[i].depth+1)
				}
			}
		}
	}
	return f.all, f.left, nil
}

// add follows a function, unless something is against it.
func (f *following) add(name string, depth int) {
	f.known[name] = true
	if len(f.all) == maxFollowed || f.blocks >= maxBlocks {
		f.left = append(f.left, name+": enough is followed")
		return
	}
	if within().MatchString(name) {
		f.left = append(f.left, name+": the programs of probes run it themselves, and its hits would be missed then")
		return
	}
	next, err := f.session.follower(name, f.how)
	if err != nil {
		f.left = append(f.left, fmt.Sprintf("%s: %v", name, err))
		return
	}
	if entry := next.code.Lines[0]; entry.Mark == MarkNone {
		f.left = append(f.left, fmt.Sprintf("%s: %s", name, entry.Why))
		return
	}
	if f.blocks+len(next.code.Blocks) > maxBlocks {
		f.left = append(f.left, fmt.Sprintf("%s: its %d blocks would be too many", name, len(next.code.Blocks)))
		return
	}
	f.blocks += len(next.code.Blocks)
	next.depth = depth
	next.probes[0] = &Probe{Addr: uint64(next.code.Addr), Optional: true}
	next.back = &Probe{Addr: uint64(next.code.Addr), Return: true, Optional: true}
	f.all = append(f.all, next)
}

// returnsNothing reports whether BTF says so.
func (k *Kernel) returnsNothing(name string) bool {
	found, err := k.symbols.Lookup("", name)
	if err != nil || len(found) != 1 {
		return false
	}
	spec, fn, err := k.function(found[0])
	if err != nil {
		return false
	}
	proto, err := spec.Proto(fn)
	return err == nil && proto.Return == 0
}

// word is the register that each block's probe is to record: what the branch before it
// tested.
func (f *follower) words() []string {
	words := make([]string, len(f.code.Blocks))
	for i := range words {
		words[i] = "ax"
	}
	for i, b := range f.code.Blocks {
		t := f.tests[i]
		if t.reg == "" {
			continue
		}
		for _, e := range b.Succ {
			if e.To >= 0 && (words[e.To] == "ax" || t.returned) {
				words[e.To] = t.reg
			}
		}
	}
	return words
}

// settle notes what the words tell: of a branch, only if each block behind it records
// what it tested.
func (f *follower) settle(words []string, flow *way.Graph) {
	for i, b := range f.code.Blocks {
		t := f.tests[i]
		known := t.reg != ""
		for _, e := range b.Succ {
			known = known && (e.To < 0 || words[e.To] == t.reg)
		}
		if known {
			flow.Blocks[i].Width = t.width
		}
	}
}

// request is the handlers' file.
func (p Path) request(words []string) oneliner.Request {
	follow := oneliner.Follow{Calls: 128, Steps: 256, Others: uint64(p.others()), Words: words, Inner: p.Depth > 0, Under: p.Under, Constants: errorNumbers()}
	if p.Depth > 0 {
		follow.Calls, follow.Steps = 32, 1024
	}
	return oneliner.Request{
		What: oneliner.Path, Places: []string{p.Func + "%return"}, PID: p.PID, Comm: p.Comm,
		If: oneliner.Expr{Flag: "--if", Text: p.If}, Follow: follow,
	}
}
