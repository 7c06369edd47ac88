package site

import (
	"ktrap/internal/disasm"
	"ktrap/internal/patch"
)

// A Mark is what is to be said of one instruction of a function.
type Mark struct {
	Inst      disasm.Inst
	OK        bool   // a probe can stand there, by all that is known
	Reason    Reason // why not
	Why       string // the same in words that read on from the place
	Mechanism Mechanism
	Better    string        // why it is no mechanism that costs less, or ""
	Patches   []patch.Entry // that begin in the instruction
}

// Survey marks each instruction of the query's function, whatever its address
// is, in one walk. What asks for its endbr gets the place behind it.
func Survey(q Query) []Mark {
	q.Addr = q.Func.Addr
	s := newSubject(&q)
	patches := s.Patches.In(q.Func.Addr, q.Func.end())
	marks := make([]Mark, 0, len(s.insts))
	for _, in := range s.insts {
		s.land(in.Addr)
		m := s.mark(in)
		for len(patches) > 0 && patches[0].Addr < in.End() {
			m.Patches, patches = append(m.Patches, patches[0]), patches[1:]
		}
		marks = append(marks, m)
	}
	return marks
}

func (s *subject) mark(in disasm.Inst) Mark {
	m := Mark{Inst: in}
	if refusing, _ := s.refusing(); refusing != nil {
		m.Reason, m.Why = refusing.reason, refusing.refusal(s)
		return m
	}
	o := s.mechanism()
	m.OK, m.Mechanism, m.Better = true, o.mechanism, o.better
	return m
}
