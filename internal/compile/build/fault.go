package build

import (
	"go/types"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile/front"
	"ktrap/internal/compile/ir"
)

// A handler with a fault handler reads by helpers only, at every target: they tell
// whether they could. Where one could not, the fault handler is written in, and the
// handler goes on with zero.

// A trap is a read that failed.
type trap struct {
	addr, err ir.Operand
	user      bool
}

// Check looks for mistakes in a fault handler, which may be called nowhere.
func Check(s *Shared, fault *front.Handler) { Handler(s, fault) }

// tries reports whether a read that fails is told of. One of the fault handler's own
// is not.
func (b *builder) tries() bool { return b.handler.Fault != nil && b.trap == nil }

// tried reads a scalar.
func (b *builder) tried(p place, size int32) ir.Operand {
	to := b.f.NewSlot(8)
	b.try(asm.FnProbeReadKernel, p, place{base: to, size: int(size)})
	dst := b.f.NewReg(ir.Info{Struct: b.pointee(p.typ)})
	b.add(ir.Ins{Op: ir.Load, Dst: dst, A: to, Size: size})
	return ir.R(dst)
}

// ofProcess are the helpers that read the process's memory as others do the kernel's.
var ofProcess = map[asm.BuiltinFunc]asm.BuiltinFunc{
	asm.FnProbeReadKernel: asm.FnProbeReadUser, asm.FnProbeReadKernelStr: asm.FnProbeReadUserStr,
}

// try reads by a helper, which leaves zeros where it can't.
func (b *builder) try(fn asm.BuiltinFunc, from, to place) {
	if from.space == inUser {
		fn = ofProcess[fn]
	}
	addr := b.plain(from.base)
	if from.off != 0 {
		addr = b.op(ir.Add, true, addr, ir.C(int64(from.off)))
	}
	err := b.call(int32(fn), false, b.addressOf(to), ir.C(int64(to.size)), addr)
	failed, on := b.newBlock(), b.newBlock()
	b.branch(ir.SLt, true, err, ir.C(0), failed, on)
	b.start(failed)
	b.fault(&trap{addr, err, from.space == inUser})
	b.jump(on)
	b.start(on)
}

// fault writes the fault handler in. What ends a handler ends this one only, since
// the other may have a record to submit.
func (b *builder) fault(t *trap) {
	h, pos, exit := b.handler.Fault, b.pos, b.exit
	b.trap, b.exit = t, b.newBlock()
	b.body(h.Obj, h.Decl, nil)
	b.jump(b.exit)
	b.start(b.exit)
	b.trap, b.exit, b.pos = nil, exit, pos
}

// trapField is a field of a *trap.
func (b *builder) trapField(v *types.Var) place {
	p := place{space: inReg, typ: v.Type(), fixed: true, reg: b.reg()}
	switch v.Name() {
	case "addr":
		b.move(p.reg, b.trap.addr)
	case "user":
		b.move(p.reg, ir.C(int64(btoi(b.trap.user))))
	case "nr":
		b.trapNumber(p.reg)
	}
	return p
}

// What the processor would have called a load from there. A helper's -ERANGE means
// that the kernel did not try (copy_from_kernel_nofault_allowed, 5.8): it is an
// address of the process, or none at all.
const (
	protection   = 13
	pageFault    = 14
	notTried     = -34
	processSpace = 47 // bits of addresses
)

func (b *builder) trapNumber(to ir.Reg) {
	b.move(to, ir.C(pageFault))
	refused, none, done := b.newBlock(), b.newBlock(), b.newBlock()
	b.branch(ir.Eq, true, b.trap.err, ir.C(notTried), refused, done)
	b.start(refused)
	b.branch(ir.Ne, true, b.op(ir.Shr, true, b.trap.addr, ir.C(processSpace)), ir.C(0), none, done)
	b.start(none)
	b.move(to, ir.C(protection))
	b.jump(done)
	b.start(done)
}
