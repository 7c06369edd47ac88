package site

import (
	"errors"
	"slices"
	"strings"

	"ktrap/internal/disasm"
	"ktrap/internal/patch"
)

// A subject is a query with what the rules need to know of its address.
type subject struct {
	*Query
	asked     uint64 // what is judged: the query's address, or one next to it
	addr      uint64 // where the kernel puts the probe
	entry     Answer // addr is the function's entry
	insts     []disasm.Inst
	at        int // index of the instruction that contains addr, or of the next
	blacklist blacklist
	whole     *whole // once asked for
}

type blacklist struct {
	known  bool
	ranges []Range
}

func newSubject(q *Query) *subject { return new(Judges).subject(q) }

// Judges judges places one after the other, and decodes a function once for all of
// its places that come in turn. Its zero value is ready; Kernel may not change.
type Judges struct {
	code  []byte // of the function
	insts []disasm.Inst
	addr  uint64
}

// Judge returns the verdict on q.
func (j *Judges) Judge(q Query) Verdict { return j.subject(&q).verdict() }

// walk decodes q's function.
func (j *Judges) walk(q *Query) []disasm.Inst {
	same := len(q.Code) > 0 && len(q.Code) == len(j.code) && &q.Code[0] == &j.code[0] && q.Func.Addr == j.addr
	if !same {
		j.code, j.addr = q.Code, q.Func.Addr
		j.insts = slices.Collect(q.Kernel.Arch.Walk(q.Func.Addr, q.Code))
	}
	return j.insts
}

func (j *Judges) subject(q *Query) *subject {
	if size := q.Func.Size; size != 0 && size < uint64(len(q.Code)) {
		q.Code = q.Code[:size]
	}
	s := &subject{Query: q, insts: j.walk(q)}
	if q.Patches == nil {
		q.Patches = q.Kernel.Patches
	}
	s.blacklist = q.forbidden()
	s.land(q.Addr)
	return s
}

// forbidden is the blacklist as the kernel shows it, or as its image has it.
func (q *Query) forbidden() blacklist {
	if q.Kernel.Blacklist != nil {
		return blacklist{true, q.Kernel.Blacklist}
	}
	list := blacklist{known: q.Kernel.Patches.Has(patch.Blacklist)}
	for e := range q.Kernel.Patches.All(patch.Blacklist) {
		list.ranges = append(list.ranges, Range{Start: e.Addr, End: e.End()})
	}
	return list
}

// land follows the kernel to where it puts a probe that is asked for at addr.
//
// cc66bb914578 (5.18): where a function begins with endbr, +0 and +4 both mean
// its entry, and the probe goes to +4.
func (s *subject) land(addr uint64) {
	s.asked = addr
	offset := addr - s.Func.Addr
	s.addr, s.entry = addr, AnswerOf(offset == 0)
	if (offset == 0 || offset == 4) && !s.Kernel.before(5, 18) {
		switch {
		case len(s.insts) > 0 && s.insts[0].IsEndbr():
			s.addr, s.entry = s.Func.Addr+4, Yes
		case len(s.insts) == 0 && offset == 4:
			s.entry = Unknown
		}
	}
	s.at, _ = slices.BinarySearchFunc(s.insts, s.addr, func(in disasm.Inst, addr uint64) int {
		if in.End() <= addr {
			return -1
		}
		return 1
	})
}

// inst is the instruction that contains the address, if the walk gets there.
func (s *subject) inst() (disasm.Inst, bool) {
	if s.at == len(s.insts) || s.insts[s.at].Addr > s.addr {
		return disasm.Inst{}, false
	}
	return s.insts[s.at], true
}

// undecodable is the offset of bytes that end the walk as no instruction.
func (s *subject) undecodable() (uint64, bool) {
	walked := uint64(0)
	if n := len(s.insts); n > 0 {
		walked = s.insts[n-1].End() - s.Func.Addr
	}
	_, err := s.Kernel.Arch.Length(s.Code[walked:])
	return walked, errors.Is(err, disasm.ErrUndefined)
}

// patched returns an entry of a kind that reaches into the bytes from start up
// to end. The longest one has 15 bytes.
func (s *subject) patched(k patch.Kind, start, end uint64) (patch.Entry, bool) {
	for _, e := range s.Patches.Of(k, start-disasm.MaxLength, end) {
		if e.End() > start {
			return e, true
		}
	}
	return patch.Entry{}, false
}

// blacklisted returns the range of the blacklist that the address is in, or
// what the clone that it is in was cut from.
func (s *subject) blacklisted() (Range, bool) {
	for _, r := range s.blacklist.ranges {
		if r.contains(s.addr) || s.Func.Base != 0 && r.contains(s.Func.Base) {
			return r, true
		}
	}
	return Range{}, false
}

// ftraceSite tells whether ftrace patches right at the address: by its table, or
// by what stands at the entry of a function that it lists.
func (s *subject) ftraceSite() Answer {
	if s.Patches.Has(patch.Ftrace) {
		e, ok := s.patched(patch.Ftrace, s.addr, s.addr+1)
		return AnswerOf(ok && e.Addr == s.addr)
	}
	in, ok := s.inst()
	if !ok || s.Kernel.Arch != disasm.AMD64 {
		return Unknown
	}
	if s.entry != Yes || in.Addr != s.addr {
		return No
	}
	return s.traced(in)
}

// traced tells whether in, at the entry of the function, is what ftrace patches. A cold
// part may begin with a call, too, and is as traceable as the rest.
func (s *subject) traced(in disasm.Inst) Answer {
	if !isFtraceCall(in) || strings.Contains(s.Func.Name, ".cold") {
		return No
	}
	return s.Func.Traceable
}

// CallsFtrace tells whether a function's amd64 code begins with the call of
// ftrace, or the nop for it, as that of every traceable function does.
func CallsFtrace(code []byte) bool {
	for in := range disasm.Walk(0, code) {
		if !in.IsEndbr() {
			return isFtraceCall(in)
		}
	}
	return false
}

// isFtraceCall: the call of the tracer, or the nop of its length, of which older
// kernels choose one for the processor.
func isFtraceCall(in disasm.Inst) bool {
	switch string(in.Bytes) {
	case "\x0f\x1f\x44\x00\x00", "\x66\x66\x66\x66\x90", "\x3e\x8d\x74\x26\x00":
		return true
	}
	return in.Bytes[0] == 0xe8
}

// nearest finds the allowed places closest to the address on either side.
func (s *subject) nearest() []Nearest {
	var found []Nearest
	for _, in := range slices.Backward(s.insts) {
		if in.Addr < s.asked && s.allows(in.Addr) {
			found = append(found, s.near(in))
			break
		}
	}
	for _, in := range s.insts {
		if in.Addr > s.asked && s.allows(in.Addr) {
			return append(found, s.near(in))
		}
	}
	return found
}

func (s *subject) allows(addr uint64) bool {
	other := *s
	other.land(addr)
	refusing, _ := other.refusing()
	return refusing == nil
}

func (s *subject) near(in disasm.Inst) Nearest {
	return Nearest{in.Addr, s.place(in.Addr), in.String()}
}
