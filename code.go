package ktrap

import (
	"slices"

	"ktrap/internal/kernel"
	"ktrap/internal/probelist"
	"ktrap/symbols"
)

// code returns the code of a function as it is when nobody probes it. It is read
// once, before we arm anything in it; in a function where somebody else's
// breakpoint or jump stands by then, what lies below that is not known, and nil
// is returned.
func (s *Session) code(sym symbols.Symbol) []byte {
	if code, read := s.codes[sym.Addr]; read {
		return code
	}
	var code []byte
	if !s.patched(sym) {
		code, _ = s.symbols.Code(sym.Addr, int(sym.Size))
	}
	if s.codes == nil {
		s.codes = map[uint64][]byte{}
	}
	s.codes[sym.Addr] = code
	return code
}

// patched tells whether a kprobe stands in the function that is no call of
// ftrace's, which takes the place of an instruction of the same length.
func (s *Session) patched(sym symbols.Symbol) bool {
	if s.kprobes == nil {
		s.kprobes = kernel.Kprobes()
	}
	return slices.ContainsFunc(s.kprobes, func(p probelist.Probe) bool {
		return !p.State.Ftrace && uint64(p.Addr)-sym.Addr < sym.Size
	})
}
