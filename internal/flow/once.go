package flow

// SolveOnce finds what follows where it is known only whether something ran: counts are
// 0 or 1. What alone can have brought a run to where one was has run; what leads only
// from or to where none was has not.
func (g *Graph) SolveOnce(c *Counts) {
	n := g.network(c)
	for changed := true; changed; {
		changed = false
		for node := world + 1; node < len(n.at); node++ {
			var arrive, depart side
			for _, i := range n.at[node] {
				if x := n.numbers[i]; x.to == node {
					arrive.add(x.Count)
				} else {
					depart.add(x.Count)
				}
			}
			changed = arrive.follow(depart) || changed
			changed = depart.follow(arrive) || changed
		}
	}
}

// A side is what arrives at a node, or what departs.
type side struct {
	ran  bool
	open []*Count
}

func (s *side) add(c *Count) {
	s.ran = s.ran || c.Known && c.N > 0
	if !c.Known {
		s.open = append(s.open, c)
	}
}

// follow finds what of a side follows from the other.
func (s *side) follow(other side) (found bool) {
	switch {
	case s.ran || len(s.open) == 0:
	case !other.ran && len(other.open) == 0:
		for _, c := range s.open {
			*c, found = Count{0, true}, true
		}
		s.open = nil
	case other.ran && len(s.open) == 1:
		*s.open[0], s.ran, s.open = Count{1, true}, true, nil
		return true
	}
	return found
}
