package attach

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"ktrap/internal/object"
)

// Tally counts a point's hits by what became of them. Of Hits, all but Unarmed,
// Filtered and Full were submitted as records.
type Tally struct {
	Hits, Unarmed, Filtered, Full, Unpaired uint64
}

// counters are those of a point on one CPU.
type counters [object.CountSize / 8]uint64

func (t *Tally) add(c *counters) {
	t.Hits += c[object.HitsOffset/8]
	t.Unarmed += c[object.UnarmedOffset/8]
	t.Filtered += c[object.FilteredOffset/8]
	t.Unpaired += c[object.UnpairedOffset/8]
	t.Full += c[object.FullOffset/8]
}

// Tally returns point i's counts, summed over the CPUs.
func (s *Set) Tally(i int) (t Tally, err error) {
	slots, err := s.ticks()
	if err != nil {
		return t, err
	}
	t.Hits = s.ticked(slots, i)
	var perCPU []counters
	if err := s.counts.Lookup(uint32(i), &perCPU); err != nil {
		return t, fmt.Errorf("read a point's counters: %w", err)
	}
	for c := range perCPU {
		t.add(&perCPU[c])
	}
	return t, nil
}

// Tallies returns those of all points: with two calls of the kernel where it can
// read many at once (5.13: f008d732ab18).
func (s *Set) Tallies() ([]Tally, error) {
	all := make([]Tally, len(s.job.Points))
	slots, err := s.ticks()
	if err != nil {
		return nil, err
	}
	perCPU, at := s.countsAtOnce(), 0
	for i := range all {
		if perCPU == nil {
			if all[i], err = s.Tally(i); err != nil {
				return nil, err
			}
			continue
		}
		all[i].Hits = s.ticked(slots, i)
		for range len(perCPU) / (len(all) + 1) {
			all[i].add(&perCPU[at])
			at++
		}
	}
	return all, nil
}

// countsAtOnce are the counters of each point, on each CPU; nil where the kernel can't
// read them so.
func (s *Set) countsAtOnce() []counters {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil
	}
	n := len(s.job.Points) + 1 // hits of none have some, too
	all := make([]counters, n*cpus)
	got, err := s.counts.BatchLookup(new(ebpf.MapBatchCursor), make([]uint32, n), all, nil)
	if got != n || err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return all
}

// ticks are the hits that slots count, nil if there are none.
func (s *Set) ticks() ([]byte, error) {
	if s.slots == nil {
		return nil, nil
	}
	all, err := s.slots.LookupBytes(uint32(0))
	if err != nil {
		return nil, fmt.Errorf("read the points' hits: %w", err)
	}
	return all, nil
}

// ticked are those of point i.
func (s *Set) ticked(slots []byte, i int) (n uint64) {
	for at := 8 * i; at < len(slots); at += object.SlotStride(len(s.job.Points)) {
		n += binary.NativeEndian.Uint64(slots[at:])
	}
	return n
}
