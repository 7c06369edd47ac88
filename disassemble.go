package ktrap

import (
	"fmt"
	"strconv"
	"strings"

	"ktrap/internal/disasm"
	"ktrap/internal/patch"
	"ktrap/internal/place"
)

// Disassembler says how code is shown; the zero value is AT&T syntax.
type Disassembler struct {
	Intel  bool   // Intel's syntax instead
	Source bool   // with lines of source, out of DWARF
	DWARF  string // the file that has it; empty for where it is installed
}

// Disassemble shows the function that a place is in, or the instructions of a
// range or a pick, which have no Blocks. A malformed place is a *PlaceError.
func (k *Kernel) Disassemble(text string, how Disassembler) (*Disassembly, error) {
	p, err := place.Parse(text)
	if err != nil {
		return nil, err
	}
	if p.Glob {
		return nil, fmt.Errorf("%s: one function at a time can be disassembled; see which there are with: ktrap symbols '%s'", p, p)
	}
	s, err := k.stretch(p)
	if err != nil {
		return nil, err
	}
	d := &Disassembly{
		Place: p.String(), Symbol: s.sym.Name, Module: s.sym.Module,
		Kernel: k.release, BuildID: k.buildID, Arch: k.goarch, Source: k.source,
	}
	first, last := s.insts[0], s.insts[len(s.insts)-1]
	d.Addr, d.Size = Address(first.Addr), last.End()-first.Addr
	d.Lines = k.lines(s, how)
	k.mark(s, d.Lines)
	if how.Source {
		if err := k.addSource(how.DWARF, s.sym, d.Lines); err != nil {
			return nil, err
		}
	}
	if p.Pick.What == "" {
		d.Blocks = k.blocks(s)
	}
	return d, nil
}

// lines are the instructions in words, without marks.
func (k *Kernel) lines(s stretch, how Disassembler) []Line {
	context := disasm.Context{Name: k.name, Note: k.quote}
	if how.Intel {
		context.Syntax = disasm.Intel
	}
	lines := make([]Line, len(s.insts))
	for i, text := range context.Texts(s.insts) {
		in, l := s.insts[i], &lines[i]
		l.Addr, l.Offset, l.Bytes = Address(in.Addr), in.Addr-s.sym.Addr, in.Bytes
		l.Text = text.String()
		for _, ref := range text.Refs {
			l.Target, l.Comment = ref.Name, ref.Note
		}
	}
	return lines
}

// mark says of each line what a probe there would be.
func (k *Kernel) mark(s stretch, lines []Line) {
	marks := k.survey(wanted{}, s.sym)
	for i := range lines {
		l := &lines[i]
		for len(marks) > 0 && marks[0].Inst.Addr < uint64(l.Addr) {
			marks = marks[1:]
		}
		if len(marks) == 0 || marks[0].Inst.Addr != uint64(l.Addr) {
			l.Mark = MarkUnknown
			continue
		}
		m := marks[0]
		l.Mark, l.Reason, l.Why = markOf(m.Mechanism, m.OK), string(m.Reason), m.Why
		if m.OK {
			l.Why = m.Better
		}
		for _, entry := range m.Patches {
			l.Patches = append(l.Patches, entry.Kind.String())
		}
	}
}

// name is the symbol that addr is in, as the kernel prints it.
func (k *Kernel) name(addr uint64) (string, bool) {
	sym, offset, ok := k.symbols.At(addr)
	if !ok {
		return "", false
	}
	name := sym.Name
	if offset != 0 {
		name += fmt.Sprintf("+%#x", offset)
	}
	return name, true
}

// quote is the text constant at addr: printable and of some length, so that not
// every number looks like one.
func (k *Kernel) quote(addr uint64) (string, bool) {
	const shortest, longest = 4, 64
	sym, _, ok := k.symbols.At(addr)
	if !ok || strings.IndexByte("rRdD", sym.Type) < 0 {
		return "", false
	}
	text := make([]byte, longest)
	if k.symbols.ReadMem(text, addr) != nil {
		return "", false
	}
	whole, _, ended := strings.Cut(string(text), "\x00")
	if len(whole) < shortest || strings.ContainsFunc(whole, unprintable) {
		return "", false
	}
	quoted := strconv.Quote(whole)
	if !ended {
		quoted += "…"
	}
	return quoted, true
}

// unprintable: a kernel's messages begin with SOH and a digit, and end a line.
func unprintable(c rune) bool {
	return (c < ' ' || c > '~') && c != '\n' && c != '\t' && c != '\x01'
}

// blocks are the flow of control, in terms of lines.
func (k *Kernel) blocks(s stretch) []Block {
	entries := k.patches(s.sym)
	bug := func(addr uint64) (patch.Entry, bool) { return one(entries.Of(patch.Bug, addr, addr+1)) }
	code := disasm.Code{
		Insts: s.insts,
		Name:  k.name,
		NeverReturns: func(target uint64) bool {
			sym, offset, ok := k.symbols.At(target)
			return ok && offset == 0 && neverReturns(sym.Name)
		},
		Ends: func(addr uint64) bool {
			e, known := bug(addr)
			return known && !e.Flag
		},
		Branch: func(addr uint64) (uint64, bool) {
			e, ok := one(entries.Of(patch.JumpLabel, addr, addr+1))
			if !ok {
				e, ok = one(entries.Of(patch.Exception, addr, addr+1))
			}
			return e.Target, ok
		},
		Entered: k.entered(s.sym, entries),
	}
	graph := code.Graph()
	blocks := make([]Block, len(graph.Blocks))
	for i, b := range graph.Blocks {
		blocks[i] = Block{Start: b.Start, End: b.End, Unreached: b.Unreached, Entered: b.Entered}
		for _, e := range b.Succ {
			edge := Edge{Kind: e.Kind.String(), To: e.To}
			if e.To < 0 && e.Addr != 0 {
				edge.Out, _ = k.name(e.Addr)
			}
			blocks[i].Succ = append(blocks[i].Succ, edge)
		}
	}
	return blocks
}

func one(entries []patch.Entry) (patch.Entry, bool) {
	if len(entries) == 0 {
		return patch.Entry{}, false
	}
	return entries[0], true
}
