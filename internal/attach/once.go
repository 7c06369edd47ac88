package attach

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// once tells that the point is disarmed by its first hit.
func (p *Point) once() bool {
	return p.Script != nil && p.Script.Once || p.Unit != nil && p.Unit.Once
}

// makeOnce makes the map in which one hit of many at the same time claims a point, if
// there are points for one hit.
func (s *Set) makeOnce() (err error) {
	n := uint32(0)
	for i := range s.job.Points {
		if s.job.Points[i].once() {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	s.once, err = NewMap(&ebpf.MapSpec{Name: "ktrap_once", Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: n})
	if err != nil {
		return fmt.Errorf("make the map of first hits: %w", err)
	}
	return nil
}

// unclaim has point i wait for a hit again.
func (s *Set) unclaim(i int) error {
	if s.once == nil {
		return nil
	}
	if err := s.once.Delete(uint32(i)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("forget a first hit: %w", err)
	}
	return nil
}

// Spent are the points that their first hit has disarmed and that are not disabled
// yet.
func (s *Set) Spent() (points []int, err error) {
	if s.once == nil {
		return nil, nil
	}
	state, err := s.states()
	if err != nil {
		return nil, err
	}
	for i := range s.job.Points {
		if s.on[i] && s.job.Points[i].once() && binary.NativeEndian.Uint32(state[4*i:]) == 0 {
			points = append(points, i)
		}
	}
	return points, nil
}

// Spent are the points that their first hit has ended and that are not disabled yet.
func (s *EventSet) Spent() (points []int, err error) {
	s.buffer.mu.Lock()
	defer s.buffer.mu.Unlock()
	for i, p := range s.points {
		if p.enabled && p.spent {
			points = append(points, i)
		}
	}
	return points, nil
}
