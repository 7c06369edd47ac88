package outcome

import "slices"

// mostSteps bounds how many instructions are looked through.
const mostSteps = 16

// successors are the places where a thread that goes on at addr is surely seen,
// with the registers that it has there, or why there are none.
func (s *Surroundings) successors(addr uint64) (at []uint64, why string) {
	open, seen := []uint64{addr}, map[uint64]bool{}
	for len(open) > 0 {
		next := open[0]
		open = open[1:]
		if seen[next] {
			continue
		}
		if seen[next] = true; len(seen) > mostSteps {
			return nil, "no place near behind it can be probed"
		}
		probeable, through, why := s.step(next)
		switch {
		case why != "":
			return nil, why
		case probeable:
			at = append(at, next)
		}
		open = append(open, through...)
	}
	if len(at) == 0 {
		return nil, "no place behind it can be probed"
	}
	slices.Sort(at)
	return at, ""
}

// step tells whether a probe can stand at addr; where it leads, if not, and it
// leaves the registers alone; or why neither.
func (s *Surroundings) step(addr uint64) (probeable bool, through []uint64, why string) {
	if s.At == nil {
		return true, nil, ""
	}
	in, refused, ok := s.At(addr)
	if !ok {
		return false, nil, s.words(addr) + ", behind it, is not in the same function"
	}
	if refused == "" {
		return true, nil, ""
	}
	c := take(in)
	target, patched := uint64(0), false
	if s.Branch != nil {
		target, patched = s.Branch(addr)
	}
	switch isJump := c.isJump(); {
	case patched: // a jump now or later
		through = []uint64{target, in.End()}
	case isJump:
		through = []uint64{in.Flow(nil).Target}
	case c.isNop():
		through = []uint64{in.End()}
	default:
		return false, nil, s.words(addr) + ", behind it, " + refused
	}
	return false, through, ""
}
