package emit

import (
	"slices"
	"sort"

	"ktrap/internal/compile/ir"
)

// An interval is where a register is needed: in spans of positions, with holes where
// what it holds is not needed again. A position is twice the number of the
// instruction in the order of the blocks, plus one where the instruction writes.
type interval struct {
	reg    ir.Reg
	spans  []span // in order
	weight float64
	call   bool     // a call lies inside
	hints  []ir.Reg // registers that it is moved to or from
}

// A span is from the first to the last position, both included.
type span struct{ from, to int }

func (v *interval) start() int { return v.spans[0].from }
func (v *interval) end() int   { return v.spans[len(v.spans)-1].to }

// length is at how many positions the register is needed.
func (v *interval) length() (n int) {
	for _, s := range v.spans {
		n += s.to - s.from + 1
	}
	return n
}

// meets reports whether both are needed at one position.
func (v *interval) meets(w *interval) bool {
	if len(v.spans) > len(w.spans) {
		v, w = w, v
	}
	if v.end() < w.start() || w.end() < v.start() {
		return false
	}
	for _, s := range v.spans {
		i := sort.Search(len(w.spans), func(i int) bool { return w.spans[i].to >= s.from })
		if i < len(w.spans) && w.spans[i].from <= s.to {
			return true
		}
	}
	return false
}

// add is called with spans from the last to the first: v.spans is in reverse order.
func (v *interval) add(from, to int) {
	if n := len(v.spans); n > 0 && v.spans[n-1].from <= to+1 {
		last := &v.spans[n-1]
		last.from, last.to = min(last.from, from), max(last.to, to)
		return
	}
	v.spans = append(v.spans, span{from, to})
}

// begin cuts the first span where the register is written.
func (v *interval) begin(at int) {
	if n := len(v.spans); n > 0 && v.spans[n-1].from <= at {
		v.spans[n-1].from = at
		return
	}
	v.spans = append(v.spans, span{at, at}) // nobody needs what is written
}

// A liveness is all intervals of a function, by register; those of registers that
// nobody uses have no spans.
type liveness struct {
	list  []interval
	calls []int // their positions
}

// intervals walks backwards, as one must to know what is needed later.
func intervals(f *ir.Func) *liveness {
	l := &liveness{list: make([]interval, len(f.Regs))}
	for r := range l.list {
		l.list[r].reg = ir.Reg(r)
	}
	live := f.Live()
	depth := f.Depths()
	pos := 0
	for _, b := range f.Blocks {
		pos += 2 * (len(b.Ins) + 1)
	}
	for i := len(f.Blocks) - 1; i >= 0; i-- {
		b := f.Blocks[i]
		top := pos - 2*(len(b.Ins)+1)
		live.Out[i].Each(func(n int) { l.list[live.Regs[n]].add(top, pos-1) })
		weight := float64(int(1) << (3 * min(depth[i], 6)))
		pos -= 2
		b.End.Uses(func(o *ir.Operand) { l.use(o, top, pos, weight) })
		for j := len(b.Ins) - 1; j >= 0; j-- {
			pos -= 2
			l.note(&b.Ins[j], top, pos, weight)
		}
	}
	slices.Reverse(l.calls)
	for r := range l.list {
		v := &l.list[r]
		slices.Reverse(v.spans)
		v.call = l.called(v)
	}
	return l
}

func (l *liveness) use(o *ir.Operand, top, at int, weight float64) {
	if o.Kind == ir.Value {
		l.list[o.Reg].add(top, at)
		l.list[o.Reg].weight += weight
	}
}

// note takes in an instruction's registers.
func (l *liveness) note(in *ir.Ins, top, pos int, weight float64) {
	if in.Calls() {
		l.calls = append(l.calls, pos)
	}
	if in.Dst != 0 {
		l.list[in.Dst].begin(pos + 1)
		l.list[in.Dst].weight += weight
	}
	if in.Op > ir.Mov && in.Op < ir.Neg && !commutes(in.Op) {
		l.use(&in.B, top, pos+1, 0) // must not be where Dst is, which A is moved to first
	}
	in.Uses(func(o *ir.Operand) { l.use(o, top, pos, weight) })
	if in.Dst != 0 && in.A.Kind == ir.Value && in.Op <= ir.Neg {
		l.list[in.Dst].hints = append(l.list[in.Dst].hints, in.A.Reg)
		l.list[in.A.Reg].hints = append(l.list[in.A.Reg].hints, in.Dst)
	}
}

// called reports whether v must survive a call: be there before and behind it.
func (l *liveness) called(v *interval) bool {
	for _, s := range v.spans {
		if c := sort.SearchInts(l.calls, s.from); c < len(l.calls) && l.calls[c] < s.to {
			return true
		}
	}
	return false
}

func commutes(op ir.Op) bool {
	switch op {
	case ir.Add, ir.Mul, ir.And, ir.Or, ir.Xor:
		return true
	}
	return false
}
