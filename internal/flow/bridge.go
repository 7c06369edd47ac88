package flow

// A search walks the open numbers depth first, as Tarjan's does: a number is a bridge
// if nothing behind it leads back in front of it by another way.
type search struct {
	*network
	order []int // when each node was reached, from 1
	time  int
	found []found
}

// found is a number, and what follows for it.
type found struct {
	number int
	value  int64
}

// bridges finds the numbers that follow, and tells whether there are any.
func (n *network) bridges() bool {
	s := search{network: n, order: make([]int, len(n.at))}
	n.rest = make([]int64, len(n.at))
	s.visit(world, -1) // first: the part that it is in can't be summed up
	for node := len(n.at) - 1; node > world; node-- {
		if s.order[node] == 0 {
			_, n.rest[node] = s.visit(node, -1)
		}
	}
	for _, f := range s.found {
		*n.numbers[f.number].Count = Count{uint64(max(f.value, 0)), true}
	}
	return len(s.found) > 0
}

// visit walks all that is behind a node, which was reached by a number. It returns the
// first node that is reached from there by other ways, and by how much more is known
// to arrive there than to depart.
func (s *search) visit(node, by int) (lowest int, surplus int64) {
	s.time++
	s.order[node] = s.time
	lowest = s.time
	surplus, _ = s.sum(node)
	for _, i := range s.at[node] {
		x := s.numbers[i]
		if x.Known || i == by {
			continue
		}
		next := x.from + x.to - node
		if s.order[next] > 0 {
			lowest = min(lowest, s.order[next])
			continue
		}
		low, more := s.visit(next, i)
		lowest, surplus = min(lowest, low), surplus+more
		if low <= s.order[node] {
			continue
		}
		if x.to == next { // it brings what departs there beyond what arrives
			more = -more
		}
		s.found = append(s.found, found{i, more})
	}
	return lowest, surplus
}
