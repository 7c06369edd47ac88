package disasm

import "slices"

// A Code is the code of one function and what its bytes do not tell. All of the
// functions may be nil.
type Code struct {
	// Insts are its instructions by rising address. There may be gaps: a part
	// that the compiler moved elsewhere (.cold) belongs to the function.
	Insts []Inst
	// Name finds the thunks: see Inst.Flow.
	Name Namer
	// NeverReturns tells of a function's start whether a call to it is the end.
	NeverReturns func(target uint64) bool
	// Ends tells of a trap whether it is the end: BUG's is, WARN's goes on behind.
	// Without it, ud2, ud1 and brk go on, int3 does not.
	Ends func(addr uint64) bool
	// Branch tells where an instruction may lead that its bytes do not show: a nop
	// that the kernel makes a jump, or a jump that it makes a nop (jump labels), or
	// a fault that is mended.
	Branch func(addr uint64) (target uint64, ok bool)
	// Entered are the instructions to which code elsewhere jumps that belongs to the
	// function: its unlikely part, or what mends a fault.
	Entered []uint64
}

// A Graph is the flow of control in one function.
type Graph struct {
	// Blocks are by address; together they hold each instruction once.
	Blocks []Block
}

// A Block is a run of instructions, without gaps, that is entered at its first
// only and left at its last only; calls come back and do not end it.
type Block struct {
	Start, End int // Insts[Start:End]
	Succ       []Edge
	// Unreached says that no way of known edges leads here from the first block:
	// it is reached by an indirect jump, or never.
	Unreached bool
	// Entered says that code elsewhere leads here too.
	Entered bool
}

// An Edge is a way out of a block.
type Edge struct {
	Kind EdgeKind
	// To is the index of a block, or -1: out of the function, into the middle of
	// an instruction, or not known.
	To int
	// Addr is where it leads, 0 if that is not known.
	Addr uint64
}

// An EdgeKind says by what a block is left.
type EdgeKind uint8

// The kinds of edges.
const (
	FallThrough EdgeKind = iota // into the block behind
	JumpTo
	Taken        // a conditional jump
	NotTaken     // the same, into the block behind
	JumpIndirect // no one knows where
	ReturnTo     // to the caller
	Tail         // a jump or a run out of the function
)

// String is one word.
func (k EdgeKind) String() string {
	return [...]string{"next", "jump", "taken", "not-taken", "indirect", "return", "tail"}[k]
}

// Graph finds the blocks of the code and the edges between them.
func (c *Code) Graph() *Graph {
	flows := c.flows()
	g := c.cut(flows)
	for _, addr := range c.Entered {
		if i, ok := c.index(addr); ok {
			g.Blocks[g.blockAt(i)].Entered = true
		}
	}
	for i := range g.Blocks {
		b := &g.Blocks[i]
		b.Succ = c.edges(b.End-1, flows[b.End-1])
		for j := range b.Succ {
			g.lead(c, &b.Succ[j])
		}
	}
	g.reach()
	return g
}

// flows are those of each instruction, as far as they matter to blocks: a call
// is Next or Stop.
func (c *Code) flows() []Flow {
	flows := make([]Flow, len(c.Insts))
	for i, in := range c.Insts {
		f := in.Flow(c.Name)
		switch f.Kind {
		case Next, Jump:
			f = c.branch(in, f)
		case Call, IndirectCall, Stop:
			f = Flow{}
			// Compilers put a call or a trap last only if it is the end.
			if c.ends(in) || !c.isAdjacent(i+1) {
				f.Kind = Stop
			}
		}
		flows[i] = f
	}
	return flows
}

// branch is the flow of an instruction that may have another way, which its bytes
// do not show.
func (c *Code) branch(in Inst, f Flow) Flow {
	if c.Branch == nil {
		return f
	}
	if target, ok := c.Branch(in.Addr); ok {
		return Flow{CondJump, target}
	}
	return f
}

// ends reports whether a call or a trap does not go on behind itself.
func (c *Code) ends(in Inst) bool {
	switch f := in.Flow(nil); {
	case f.Kind == Call:
		return c.NeverReturns != nil && c.NeverReturns(f.Target)
	case f.Kind != Stop:
		return false
	case c.Ends != nil:
		return c.Ends(in.Addr)
	}
	return in.Arch == AMD64 && in.Bytes[0] == 0xcc
}

// isAdjacent reports whether instruction i stands right behind the one before.
func (c *Code) isAdjacent(i int) bool {
	return i > 0 && i < len(c.Insts) && c.Insts[i-1].End() == c.Insts[i].Addr
}

// cut makes the blocks: one begins at the start, behind a gap, at each target,
// and behind each instruction that does not just go on.
func (c *Code) cut(flows []Flow) *Graph {
	leads := make([]bool, len(c.Insts)+1)
	for i, f := range flows {
		leads[i] = leads[i] || !c.isAdjacent(i)
		leads[i+1] = leads[i+1] || f.Kind != Next
		if f.Kind == Jump || f.Kind == CondJump {
			if j, ok := c.index(f.Target); ok {
				leads[j] = true
			}
		}
	}
	for _, addr := range c.Entered {
		if i, ok := c.index(addr); ok {
			leads[i] = true
		}
	}
	return blocks(leads[:len(c.Insts)])
}

// blocks makes a block of each leader and what follows it.
func blocks(leads []bool) *Graph {
	g := &Graph{}
	for i, leader := range leads {
		if leader {
			g.Blocks = append(g.Blocks, Block{Start: i})
		}
		g.Blocks[len(g.Blocks)-1].End = i + 1
	}
	return g
}

// index finds the instruction at an address.
func (c *Code) index(addr uint64) (int, bool) {
	return slices.BinarySearchFunc(c.Insts, addr, func(in Inst, addr uint64) int {
		switch {
		case in.Addr < addr:
			return -1
		case in.Addr > addr:
			return 1
		}
		return 0
	})
}

// edges are the ways out of the block that instruction i ends.
func (c *Code) edges(i int, f Flow) []Edge {
	behind := c.Insts[i].End()
	switch f.Kind {
	case Next:
		return []Edge{{Kind: FallThrough, Addr: behind}}
	case Jump:
		return []Edge{{Kind: JumpTo, Addr: f.Target}}
	case CondJump:
		return []Edge{{Kind: Taken, Addr: f.Target}, {Kind: NotTaken, Addr: behind}}
	case IndirectJump:
		return []Edge{{Kind: JumpIndirect}}
	case Return:
		return []Edge{{Kind: ReturnTo}}
	}
	return nil
}

// lead finds the block that an edge leads to.
func (g *Graph) lead(c *Code, e *Edge) {
	e.To = -1
	if e.Kind == JumpIndirect || e.Kind == ReturnTo {
		return
	}
	if i, ok := c.index(e.Addr); ok {
		e.To = g.blockAt(i)
	} else if e.Kind == JumpTo || e.Kind == FallThrough {
		e.Kind = Tail
	}
}

// blockAt is the block of instruction i.
func (g *Graph) blockAt(i int) int {
	at, found := slices.BinarySearchFunc(g.Blocks, i, func(b Block, i int) int { return b.Start - i })
	if !found {
		at--
	}
	return at
}

// reach marks the blocks that neither the first one leads to nor code elsewhere.
func (g *Graph) reach() {
	way := []int{0}
	for i := range g.Blocks {
		g.Blocks[i].Unreached = true
		if g.Blocks[i].Entered {
			way = append(way, i)
		}
	}
	for len(way) > 0 && len(g.Blocks) > 0 {
		at := &g.Blocks[way[len(way)-1]]
		way = way[:len(way)-1]
		if !at.Unreached {
			continue
		}
		at.Unreached = false
		for _, e := range at.Succ {
			if e.To >= 0 {
				way = append(way, e.To)
			}
		}
	}
}
