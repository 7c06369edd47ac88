package opt

import "ktrap/internal/compile/ir"

// Values numbers values over the tree of dominators: an instruction whose operands
// are known folds, one that was computed on every way here becomes a move, and a
// moved register is replaced by what it was moved from.
//
// Registers are mutable, so what is known of one holds for a version of it: an
// assignment begins a new version, and so does a block with several ways to it,
// for every register that is assigned more than once. The latter costs nothing: the
// version of such a register is at least that of the last such block.
func Values(f *ir.Func) {
	preds := f.Preds()
	idom := dominators(f, preds)
	children := dominated(f, idom)
	defs, _ := counts(f)
	n := &numbering{
		f: f, preds: preds, children: children,
		facts: make([]fact, len(f.Regs)), mutable: make([]bool, len(f.Regs)),
		known: map[key]versioned{}, slots: slotsOf(f, defs),
	}
	for r, count := range defs {
		if count > 1 || f.Regs[r].Fixed != 0 {
			n.mutable[r] = true
		}
	}
	n.block(f.Blocks[0], true)
	f.Number()
}

type numbering struct {
	f        *ir.Func
	preds    [][]*ir.Block
	children [][]*ir.Block
	mutable  []bool
	last     int32
	merge    int32 // the version that the last block with several ways to it began
	facts    []fact
	known    map[key]versioned
	slots    []slot
	undo     []func()
	past     []pastFact
}

// A fact is what is known of a register since it was assigned.
type fact struct {
	version int32
	copied  copied
	made    made
	small   bool // the upper half is zero
}

// A pastFact was true before a register was assigned.
type pastFact struct {
	reg  ir.Reg
	fact fact
}

// version is which assignment of r this is.
func (n *numbering) version(r ir.Reg) int32 {
	if n.mutable[r] {
		return max(n.facts[r].version, n.merge)
	}
	return n.facts[r].version
}

// of is what is known of r; nothing, if it may be another value by now.
func (n *numbering) of(r ir.Reg) fact {
	if f := n.facts[r]; f.version == n.version(r) {
		return f
	}
	return fact{}
}

// A versioned register is one assignment of it.
type versioned struct {
	reg     ir.Reg
	version int32
}

// copied is what a register was moved from, and of a register its version then.
type copied struct {
	from ir.Operand
	when int32
}

// A key is equal for instructions that compute the same.
type key struct {
	op              ir.Op
	wide, user      bool
	off, from, size int32
	fn              int32
	operands        [5]value
}

// value is an operand at a version of its register.
type value struct {
	operand ir.Operand
	version int32
}

func (n *numbering) block(b *ir.Block, straight bool) {
	undo, past, merge := len(n.undo), len(n.past), n.merge
	if !straight {
		n.last++
		n.merge = n.last
	}
	for i := range b.Ins {
		n.instruction(&b.Ins[i])
	}
	n.ending(&b.End)
	for _, c := range n.children[b.ID] {
		// Numbers stand for the blocks that were there: a branch that folds may
		// take a way from a block, never add one.
		n.block(c, len(n.preds[c.ID]) == 1)
	}
	for i := len(n.undo) - 1; i >= undo; i-- {
		n.undo[i]()
	}
	for i := len(n.past) - 1; i >= past; i-- {
		n.facts[n.past[i].reg] = n.past[i].fact
	}
	n.undo, n.past, n.merge = n.undo[:undo], n.past[:past], merge
}

// assign begins a new version of r.
func (n *numbering) assign(r ir.Reg, f fact) {
	n.past = append(n.past, pastFact{r, n.facts[r]})
	n.last++
	f.version = n.last
	n.facts[r] = f
}

// source replaces a register by what it was moved from, if that is still the same.
func (n *numbering) source(o *ir.Operand) {
	if o.Kind != ir.Value {
		return
	}
	c := n.of(o.Reg).copied
	if c.from.Kind == ir.None || c.from.Kind == ir.Value && c.when != n.version(c.from.Reg) {
		return
	}
	*o = c.from
}

func (n *numbering) instruction(in *ir.Ins) {
	n.operands(in)
	n.narrow(in)
	n.chain(in)
	fold(in)
	if in.Op == ir.Mov && !in.Wide && in.A.Kind == ir.Value && n.of(in.A.Reg).small {
		in.Wide = true
	}
	if (in.Fixed() || n.stable(in)) && in.Dst != 0 {
		k := n.key(in)
		if have, ok := n.known[k]; ok && n.version(have.reg) == have.version && n.f.Regs[have.reg].Struct == n.f.Regs[in.Dst].Struct {
			*in = ir.Ins{Op: ir.Mov, Wide: true, Dst: in.Dst, A: ir.R(have.reg), Pos: in.Pos}
		} else {
			defer n.remember(k, in.Dst)
		}
	}
	if in.Dst == 0 {
		return
	}
	f := fact{small: n.isSmall(in)}
	if in.Op == ir.Mov && in.Wide && (in.A.Kind == ir.Const || in.A.Kind == ir.Value && in.A.Reg != in.Dst) {
		f.copied = copied{from: in.A}
	}
	if in.A.Kind == ir.Value {
		f.copied.when = n.version(in.A.Reg)
		f.made = n.madeBy(in)
	}
	n.assign(in.Dst, f)
}

// stable reports whether in loads what stays as it is.
func (n *numbering) stable(in *ir.Ins) bool {
	return in.Op == ir.Load && in.A.Kind == ir.Frame && n.slots[in.A.Index].once()
}

func (n *numbering) isSmall(in *ir.Ins) bool {
	switch in.Op {
	case ir.Load, ir.Read:
		return in.Size <= 4
	case ir.Mov:
		if in.Wide && in.A.Kind == ir.Value {
			return n.of(in.A.Reg).small
		}
		return !in.Wide || in.A.Kind == ir.Const && uint64(in.A.Imm) < 1<<32
	}
	return in.Op <= ir.Neg && !in.Wide
}

// operands replaces what an instruction works on. An address stays a register, as
// it must be one.
func (n *numbering) operands(in *ir.Ins) {
	a := in.A
	in.Uses(n.source)
	switch in.Op {
	case ir.Load, ir.Store, ir.Atomic, ir.Read, ir.Copy, ir.Text, ir.Plain:
		if in.A.Kind == ir.Const {
			in.A = a
		}
	}
}

// remember notes what in.Dst holds, unless it was overwritten by its own operand.
func (n *numbering) remember(k key, dst ir.Reg) {
	for _, v := range k.operands {
		if v.operand.Kind == ir.Value && v.operand.Reg == dst {
			return
		}
	}
	old, had := n.known[k]
	n.undo = append(n.undo, func() {
		if had {
			n.known[k] = old
		} else {
			delete(n.known, k)
		}
	})
	n.known[k] = versioned{dst, n.version(dst)}
}

func (n *numbering) key(in *ir.Ins) key {
	k := key{op: in.Op, wide: in.Wide, user: in.User, off: in.Off, from: in.From, size: in.Size, fn: in.Fn}
	i := 0
	in.Uses(func(o *ir.Operand) {
		if o.Kind == ir.None {
			return
		}
		if i < len(k.operands) {
			k.operands[i].operand = *o
			if o.Kind == ir.Value {
				k.operands[i].version = n.version(o.Reg)
			}
		}
		i++
	})
	return k
}

func (n *numbering) ending(e *ir.End) {
	e.Uses(n.source)
	if e.Kind == ir.Branch && !e.Wide {
		n.loose(&e.A, 32)
		n.loose(&e.B, 32)
	}
	foldEnd(e)
}
