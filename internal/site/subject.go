package site

import (
	"errors"
	"slices"

	"ktrap/internal/disasm"
)

// A subject is a query with what the rules need to know of its address.
type subject struct {
	*Query
	addr  uint64 // where the kernel puts the probe
	entry Answer // addr is the function's entry
	insts []disasm.Inst
}

func newSubject(q *Query) *subject {
	s := &subject{Query: q, insts: slices.Collect(disasm.Walk(q.Func.Addr, q.Code))}
	s.land(q.Addr)
	return s
}

// land follows the kernel to where it puts a probe that is asked for at addr.
//
// cc66bb914578 (5.18): where a function begins with endbr, +0 and +4 both mean
// its entry, and the probe goes to +4.
func (s *subject) land(addr uint64) {
	offset := addr - s.Func.Addr
	s.addr, s.entry = addr, AnswerOf(offset == 0)
	if offset != 0 && offset != 4 || s.Kernel.before(5, 18) {
		return
	}
	switch {
	case len(s.insts) > 0 && s.insts[0].IsEndbr():
		s.addr, s.entry = s.Func.Addr+4, Yes
	case len(s.insts) == 0 && offset == 4:
		s.entry = Unknown
	}
}

// inst is the instruction that contains the address, if the walk gets there.
func (s *subject) inst() (disasm.Inst, bool) {
	i, _ := slices.BinarySearchFunc(s.insts, s.addr, func(in disasm.Inst, addr uint64) int {
		if in.End() <= addr {
			return -1
		}
		return 1
	})
	if i == len(s.insts) || s.insts[i].Addr > s.addr {
		return disasm.Inst{}, false
	}
	return s.insts[i], true
}

// undecodable is the offset of bytes that end the walk as no instruction.
func (s *subject) undecodable() (uint64, bool) {
	walked := uint64(0)
	if n := len(s.insts); n > 0 {
		walked = s.insts[n-1].End() - s.Func.Addr
	}
	_, err := disasm.Length(s.Code[walked:])
	return walked, errors.Is(err, disasm.ErrUndefined)
}

// nearest finds the allowed places closest to the address on either side.
func (s *subject) nearest() []Nearest {
	var found []Nearest
	for _, in := range slices.Backward(s.insts) {
		if in.Addr < s.Query.Addr && s.allows(in.Addr) {
			found = append(found, s.near(in))
			break
		}
	}
	for _, in := range s.insts {
		if in.Addr > s.Query.Addr && s.allows(in.Addr) {
			return append(found, s.near(in))
		}
	}
	return found
}

func (s *subject) allows(addr uint64) bool {
	other := *s
	other.land(addr)
	return !slices.ContainsFunc(rules, func(r rule) bool {
		answer, _ := r.apply(&other)
		return answer == No
	})
}

func (s *subject) near(in disasm.Inst) Nearest {
	return Nearest{in.Addr, s.place(in.Addr), in.String()}
}
