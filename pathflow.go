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
	out := way.Block{Stray: b.Unreached && !f.code.padding(b), Seen: b.Start == 0}
	for _, e := range b.Succ {
		switch {
		case e.To >= 0 && !slices.Contains(out.Succ, e.To):
			out.Succ = append(out.Succ, e.To)
		case e.Kind == "indirect":
			out.Indirect = true
		}
		out.Ends = out.Ends || e.To < 0 && e.Kind != "next"
	}
	if t, ok := f.code.branch(b); ok {
		out.Branch, out.Tests = len(out.Succ) > 1, t.returned
	}
	for _, l := range f.code.Lines[b.Start:b.End] {
		if e := splitInstruction(l.Text).makes(); e != 0 {
			out.Makes = append(out.Makes, e)
		}
	}
	return out
}

// callees are the functions that one calls by name.
func (d *Disassembly) callees() (names []string) {
	for _, l := range d.Lines {
		if !splitInstruction(l.Text).isCall() || l.Target == "" || strings.Contains(l.Target, "+") {
			continue
		}
		if name := l.Target; !slices.Contains(names, name) && !strings.HasPrefix(name, "__x86_indirect") && name != "__fentry__" {
			names = append(names, name)
		}
	}
	return names
}

// Bounds of what one Path follows.
const (
	maxFollowed = 64
	maxBlocks   = 4096
)

// followed finds the functions of a path, the one that was asked for first. What is left
// out is told.
func (s *Session) followed(ctx context.Context, p Path, how Disassembler) (all []*follower, left []string, err error) {
	root, err := s.follower(p.Func, how)
	if err != nil {
		return nil, nil, err
	}
	all = append(all, root)
	known := map[Address]bool{root.code.Addr: true}
	blocks := len(root.code.Blocks)
	for i := 0; i < len(all); i++ {
		if all[i].depth == p.Depth {
			continue
		}
		for _, name := range all[i].code.callees() {
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			f, err := s.follower(name, how)
			switch {
			case err != nil:
				left = append(left, fmt.Sprintf("%s: %v", name, err))
				continue
			case known[f.code.Addr]:
				continue
			case neverReturns(f.code.Symbol):
				continue
			}
			known[f.code.Addr] = true
			if entry := f.code.Lines[0]; entry.Mark == MarkNone {
				left = append(left, fmt.Sprintf("%s: %s", name, entry.Why))
				continue
			}
			if len(all) == maxFollowed || blocks+len(f.code.Blocks) > maxBlocks {
				left = append(left, name+": enough is followed")
				continue
			}
			blocks += len(f.code.Blocks)
			f.depth = all[i].depth + 1
			f.probes[0] = &Probe{Addr: uint64(f.code.Addr), Optional: true}
			f.back = &Probe{Addr: uint64(f.code.Addr), Return: true, Optional: true}
			all = append(all, f)
		}
	}
	return all, left, nil
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
	follow := oneliner.Follow{Calls: 256, Steps: 128, Others: uint64(p.others()), Words: words, Inner: p.Depth > 0, Under: p.Under, Constants: errorNumbers()}
	if p.Depth > 0 {
		follow.Calls, follow.Steps = 64, 512
	}
	return oneliner.Request{
		What: oneliner.Path, Places: []string{p.Func + "%return"}, PID: p.PID, Comm: p.Comm,
		If: oneliner.Expr{Flag: "--if", Text: p.If}, Follow: follow,
	}
}
