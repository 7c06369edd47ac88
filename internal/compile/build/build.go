// Package build turns a checked handler into IR: one walk over the typed syntax
// tree, statement by statement, with the functions that it calls written in.
//
// A scalar variable is a register; a struct, array or string is memory on the
// stack (a place). What is read from the kernel stays a Read of a place, chain by
// chain. Where Go would panic, something defined happens instead: a bad index ends
// the handler, a division by zero is zero, a loop that may be endless is cut.
package build

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/front"
	"ktrap/internal/compile/ir"
	"ktrap/internal/diag"
)

// Handler builds the IR of one handler. Mistakes are noted in s.File.
func Handler(s *Shared, h *front.Handler) *ir.Func {
	b := &builder{Shared: s, handler: h, f: ir.New(h.Decl.Name.Name), vars: map[*types.Var]place{}, bounds: map[types.Object]int64{}, inTurn: map[types.Object]int64{}}
	b.exit = b.newBlock()
	if h.Kind == front.Fault {
		b.trap = &trap{addr: ir.C(0), err: ir.C(0)}
	}
	if s.Env.Part {
		b.memory = ir.R(b.f.NewReg(ir.Info{Fixed: int8(asm.R2) + 1}))
	}
	b.cur = b.newBlock()
	b.f.Blocks = []*ir.Block{b.cur}
	b.params()
	if h.Pair != nil && h.Kind == front.Return {
		b.take(s.pair(h.Pair))
	}
	results := b.body(h.Obj, h.Decl, nil)
	if h.Pair != nil && h.Kind == front.Pre {
		b.keep(s.pair(h.Pair), results)
	}
	b.jump(b.exit)
	b.f.Number()
	return b.f
}

type builder struct {
	*Shared
	handler *front.Handler
	f       *ir.Func
	cur     *ir.Block // where code goes
	exit    *ir.Block // ends the handler
	vars    map[*types.Var]place
	bounds  map[types.Object]int64 // what variables of loops stay below
	inTurn  map[types.Object]int64 // what they are in the turn that is being written
	calls   []*frame
	pos     token.Pos
	insns   int
	memory  ir.Operand // of a part: where emit writes to
	trap    *trap      // in a fault handler: what it is told of
}

// A frame is a function whose body is being written in.
type frame struct {
	fn      *types.Func
	results []place
	done    *ir.Block
	loops   []*loop
}

// maxInsns bounds what inlining may unfold into; no kernel takes more than a
// million instructions, and people don't write so many.
const maxInsns = 100_000

func (b *builder) newBlock() *ir.Block { return &ir.Block{} }

// start makes code go to blk from here on.
func (b *builder) start(blk *ir.Block) { b.cur = blk }

func (b *builder) add(in ir.Ins) {
	if b.insns++; b.insns > maxInsns {
		return
	}
	in.Pos = b.pos
	b.cur.Ins = append(b.cur.Ins, in)
}

// jump ends the block, unless a return or break has ended it.
func (b *builder) jump(to *ir.Block) {
	b.end(ir.End{Kind: ir.Jump, To: [2]*ir.Block{to}})
}

func (b *builder) branch(cond ir.Cond, wide bool, x, y ir.Operand, yes, no *ir.Block) {
	b.end(ir.End{Kind: ir.Branch, Cond: cond, Wide: wide, A: x, B: y, To: [2]*ir.Block{yes, no}})
}

// end ends the block; what is added until the next start can't be reached.
func (b *builder) end(e ir.End) {
	e.Pos = b.pos
	b.cur.End = e
	b.cur = &ir.Block{}
}

func (b *builder) reg() ir.Reg { return b.f.NewReg(ir.Info{}) }

// op adds Dst = x op y and returns Dst.
func (b *builder) op(op ir.Op, wide bool, x, y ir.Operand) ir.Operand {
	dst := b.reg()
	b.add(ir.Ins{Op: op, Wide: wide, Dst: dst, A: x, B: y})
	return ir.R(dst)
}

func (b *builder) move(dst ir.Reg, x ir.Operand) {
	b.add(ir.Ins{Op: ir.Mov, Wide: true, Dst: dst, A: x})
}

func (b *builder) call(fn int32, pure bool, args ...ir.Operand) ir.Operand {
	dst := b.reg()
	b.add(ir.Ins{Op: ir.Call, Fn: fn, Pure: pure, Dst: dst, Args: args})
	return ir.R(dst)
}

func (b *builder) fail(at ast.Node, code diag.Code, hint, format string, args ...any) {
	b.File.Fail(at, code, fmt.Sprintf(format, args...), hint)
}

func (b *builder) typeOf(e ast.Expr) types.Type { return b.Info.TypeOf(e) }
