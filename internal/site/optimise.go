package site

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"ktrap/internal/disasm"
	"ktrap/internal/patch"
)

// jumpSize is how many bytes of the function the jump to an optimised probe's
// handler takes.
const jumpSize = 5

// notOptimized says why the kernel can't put a jump at the place, or "": its
// arch_prepare_optimized_kprobe. One thing it also asks is not known here: that
// no other probe is in the same bytes.
func (s *subject) notOptimized() string {
	switch {
	case s.Kernel.Optprobes == No:
		return "not optimised: this kernel's jump optimisation is switched off or not built in"
	case s.Kernel.EntryText.contains(s.addr):
		return "not optimised: it is in the kernel's entry code"
	case s.Func.end()-s.addr < jumpSize:
		return fmt.Sprintf("not optimised: only %d bytes are left in %s, the jump takes %d", s.Func.end()-s.addr, s.Func.Name, jumpSize)
	}
	w := s.function()
	if w.obstacle != "" {
		return "not optimised: " + w.obstacle
	}
	if j, ok := w.into(s.addr+1, s.addr+jumpSize); ok {
		return fmt.Sprintf("not optimised: +%#x jumps to +%#x, into the bytes that the jump takes", j.from-s.Func.Addr, j.to-s.Func.Addr)
	}
	return s.notReplaceable()
}

// notReplaceable says what of the instructions below the jump can't run as a
// copy elsewhere, or is patched by others.
func (s *subject) notReplaceable() string {
	end := s.addr
	for _, in := range s.insts[s.at:] {
		if end-s.addr >= jumpSize {
			break
		}
		if !s.copyable(in) {
			return fmt.Sprintf("not optimised: %s at +%#x can't run in another place", in, in.Addr-s.Func.Addr)
		}
		end = in.End()
	}
	// Padding may end inside an instruction, which the kernel reads to its end.
	if end-s.addr < jumpSize && uint64(len(s.Code)) < s.Func.Size {
		return "not optimised: the code behind it is not known"
	}
	for _, k := range []patch.Kind{patch.Ftrace, patch.JumpLabel, patch.StaticCall} {
		if e, ok := s.patched(k, s.addr, end); ok {
			return fmt.Sprintf("not optimised: the %s at +%#x is in the bytes that the jump takes", k, e.Addr-s.Func.Addr)
		}
	}
	return ""
}

func (s *subject) copyable(in disasm.Inst) bool {
	return !in.IsEmulated() && !isInt3(in) && !masksExceptions(in) && notUnlocked(in) && s.Kernel.boostable(in)
}

// notBoosted says why the copy of an instruction is followed by a breakpoint and
// no jump.
func (s *subject) notBoosted(in disasm.Inst) string {
	const copies = 16 // bytes that the kernel has for one
	switch {
	case s.Kernel.Preemptible == Yes:
		return "this kernel may preempt itself (CONFIG_PREEMPTION)"
	case s.mayFault(in):
		return "it may fault"
	case !s.Kernel.boostable(in):
		return "it can't be followed by a jump"
	case len(in.Bytes)+jumpSize > copies:
		return "it is too long for the jump to fit behind it"
	}
	return ""
}

func (s *subject) mayFault(in disasm.Inst) bool {
	e, ok := s.patched(patch.Exception, in.Addr, in.Addr+1)
	return ok && e.Addr == in.Addr
}

// A whole is what optimisation asks of all of a function.
type whole struct {
	obstacle string
	jumps    []jump // by where they lead
}

type jump struct{ from, to uint64 }

// function walks over the function once.
func (s *subject) function() *whole {
	if s.whole != nil {
		return s.whole
	}
	s.whole = new(whole)
	for _, in := range s.insts {
		if s.whole.obstacle = s.obstacle(in); s.whole.obstacle != "" {
			return s.whole
		}
		if to, ok := jumpsTo(in); ok {
			s.whole.jumps = append(s.whole.jumps, jump{in.Addr, to})
		}
	}
	slices.SortFunc(s.whole.jumps, func(a, b jump) int { return cmp.Compare(a.to, b.to) })
	if at, bad := s.undecodable(); bad {
		s.whole.obstacle = fmt.Sprintf("the bytes at +%#x of %s are no instruction", at, s.Func.Name)
	}
	return s.whole
}

// obstacle says why an instruction keeps all of its function from optimisation.
func (s *subject) obstacle(in disasm.Inst) string {
	if s.mayFault(in) {
		return fmt.Sprintf("%s has an instruction that may fault, at +%#x, and code that mends it may come back anywhere", s.Func.Name, in.Addr-s.Func.Addr)
	}
	v := look(in)
	if s.Kernel.looksForTables() && (v.op == 0xff && v.reg()&6 == 4 || v.op == 0xea) {
		return fmt.Sprintf("%s has an indirect jump, at +%#x, which may lead anywhere", s.Func.Name, in.Addr-s.Func.Addr)
	}
	if to, ok := jumpsTo(in); ok && s.Kernel.Thunks.End != 0 && to-s.Kernel.Thunks.Start <= s.Kernel.Thunks.End-s.Kernel.Thunks.Start {
		return fmt.Sprintf("%s has a jump through a thunk, at +%#x, which may lead anywhere", s.Func.Name, in.Addr-s.Func.Addr)
	}
	return ""
}

// looksForTables tells whether the kernel fears indirect jumps.
//
// 833fd800bf56 (6.6): not where retpolines or IBT rule out jump tables.
func (k *Kernel) looksForTables() bool {
	return k.before(6, 6) || k.Retpolines == No
}

// jumpsTo is where a relative jump leads. The kernel takes vector instructions of
// the same opcode for one, by their immediate byte or by nothing.
func jumpsTo(in disasm.Inst) (uint64, bool) {
	v, n := look(in), len(in.Bytes)
	short := v.op&^3 == 0xe0 || v.op == 0xeb || v.op>>4 == 7
	switch {
	case !short && v.op != 0xe9 && (v.op != 0x0f || v.second>>4 != 8):
		return 0, false
	case in.IsVector() && v.op&^3 != 0x70:
		return in.End(), true
	case short:
		return in.End() + uint64(int8(in.Bytes[n-1])), true
	}
	return in.End() + uint64(int32(binary.LittleEndian.Uint32(in.Bytes[n-4:]))), true
}

// into returns a jump to one of the bytes from start to last.
func (w *whole) into(start, last uint64) (jump, bool) {
	i, _ := slices.BinarySearchFunc(w.jumps, start, func(j jump, addr uint64) int { return cmp.Compare(j.to, addr) })
	if i == len(w.jumps) || w.jumps[i].to > last {
		return jump{}, false
	}
	return w.jumps[i], true
}

// endsWhole passes what the kernel can look at all of. Whether a probe can be
// optimised it decides by decoding the function up to its end, which for the last
// one of a module is the end of a page with nothing behind it: if the padding
// there ends inside an instruction, the kernel reads on and faults.
func endsWhole(s *subject) Answer {
	const page = 4096
	if s.Kernel.Arch != disasm.AMD64 || s.Func.Module == "" || s.Func.end()%page != 0 || s.ftraceSite() == Yes {
		return Yes
	}
	if len(s.insts) == 0 || uint64(len(s.Code)) < s.Func.Size {
		return Unknown
	}
	if _, bad := s.undecodable(); bad || s.insts[len(s.insts)-1].End() == s.Func.end() {
		return Yes
	}
	return AnswerOf(s.looksNoFurther())
}

// looksNoFurther: the kernel has its answer before it gets to the end.
func (s *subject) looksNoFurther() bool {
	w := s.function()
	_, into := w.into(s.addr+1, s.addr+jumpSize)
	return into || w.obstacle != "" || s.Func.end()-s.addr < jumpSize
}

func endRefusal(s *subject) string {
	return fmt.Sprintf("is in %s, the last function of its module: the kernel accepts a probe there, but reads past the end of the module's code and crashes", s.Func.Name)
}
