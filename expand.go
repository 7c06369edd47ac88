package ktrap

import (
	"errors"
	"fmt"
	"strings"

	"ktrap/internal/place"
	"ktrap/symbols"
)

// maxMatches bounds what one pattern may stand for: more probes than that slow
// a machine down for everybody on it.
const maxMatches = 4096

// Probes turns a place, in the command line's grammar, into the probes that it
// stands for: one; or for a glob one for every function that matches, for a range
// one for every instruction, for a pick one for each that it chooses, which are
// Optional. All are copies of like, at their place. A malformed place is a
// *PlaceError.
func (s *Session) Probes(text string, like Probe) ([]*Probe, error) {
	p, err := place.Parse(text)
	if err != nil {
		return nil, err
	}
	switch {
	case p.To != 0, p.Pick.What != "":
		return s.each(p, like)
	case p.Glob:
		return s.expand(p, like)
	}
	like.Module, like.Symbol, like.Offset, like.Addr, like.Return = p.Module, p.Symbol, p.Offset, p.Addr, p.Return
	return []*Probe{&like}, nil
}

// CheckPlace returns a *PlaceError if text is not in the command line's grammar.
// It asks no kernel.
func CheckPlace(text string) error {
	_, err := place.Parse(text)
	return err
}

// PlaceError is a place that is not in the grammar.
type PlaceError = place.Error

func (s *Session) expand(p place.Place, like Probe) ([]*Probe, error) {
	matches, err := s.on.symbols.Match(p.Module, p.Symbol)
	if err != nil {
		return nil, err
	}
	if len(matches) > maxMatches {
		return nil, tooMany(p, len(matches))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on.readTraceable()
	if s.matched == nil {
		s.matched = map[name]symbols.Symbol{}
	}
	named := map[string]int{}
	for _, m := range matches {
		named[m.Name]++
	}
	var probes []*Probe
	at := map[uint64]string{}
	for _, m := range matches {
		probe := like
		probe.Return, probe.Optional = p.Return, true
		probe.Module, probe.Symbol = m.Module, m.Name
		if named[m.Name] > 1 {
			probe.Module, probe.Symbol, probe.Addr = "", "", m.Addr
		} else {
			s.matched[name{m.Module, m.Name}] = m
		}
		switch first, alias := at[m.Addr]; {
		case strings.HasSuffix(m.Name, coldSuffix):
			s.skipped = append(s.skipped, Skipped{&probe, errPart})
		case alias:
			s.skipped = append(s.skipped, Skipped{&probe, fmt.Errorf("another name of %s", first)})
		default:
			at[m.Addr] = m.Name
			probes = append(probes, &probe)
		}
	}
	return probes, nil
}

// each is a probe for every instruction of a range, or that a pick chooses.
func (s *Session) each(p place.Place, like Probe) ([]*Probe, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	spots, err := s.on.asked(p)
	if err != nil {
		return nil, err
	}
	var probes []*Probe
	for i, at := range spots {
		if at.addr == at.sym.Addr && i+1 < len(spots) {
			if in, ok := s.on.instruction(at.sym, at.addr); ok && in.IsEndbr() && spots[i+1].addr == in.End() {
				continue // the kernel puts its probe behind it: there is one anyway
			}
		}
		probe := like
		probe.Optional = true
		if probe.Addr = at.addr; p.Addr == 0 && !p.Glob { // a name that a glob matches may stand for several
			probe.Module, probe.Symbol, probe.Offset, probe.Addr = at.sym.Module, at.sym.Name, at.addr-at.sym.Addr, 0
		}
		probes = append(probes, &probe)
	}
	return probes, nil
}

func tooMany(p place.Place, matches int) error {
	return fmt.Errorf("%s matches %d functions, more than the %d that one pattern may stand for: narrow it down", p, matches, maxMatches)
}

var errPart = errors.New("the unlikely part of another function, not a function of its own")
