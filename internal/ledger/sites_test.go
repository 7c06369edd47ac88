package ledger

import (
	"math/rand/v2"
	"testing"

	"ktrap/internal/arch"
)

// point looks an address of a hit up as the program does.
func (s *Sites) point(ip uint64, points int) int {
	le := func(at int) uint32 {
		b := s.Table[at:]
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
	}
	distance := ip - s.least
	if distance > uint64(s.span) {
		return points
	}
	d := uint32(distance)
	place := s.slot(int(hash(d^le(4*int(hash(d, first, s.numbers))), second, s.places)))
	if le(place) != d {
		return points
	}
	return int(le(place + 4))
}

func TestEverySiteIsFoundAndNothingElse(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 3, 8, 100, 512, 4096} {
		seen := map[uint64]int{}
		var addrs []uint64
		var indexes []int
		for len(addrs) < n {
			addr := 0xffffffff81000000 + random.Uint64N(uint64(n*20))
			if _, dup := seen[addr]; !dup {
				seen[addr] = 1000 + len(addrs)
				addrs, indexes = append(addrs, addr), append(indexes, seen[addr])
			}
		}
		s := NewSites(arch.AMD64, addrs, indexes)
		if limit := 64 * n; len(s.Table) > max(limit, 64) {
			t.Errorf("%d sites take %d bytes", n, len(s.Table))
		}
		for addr := uint64(0xffffffff81000000) - 20; addr < 0xffffffff81000000+uint64(n*20)+20; addr++ {
			want, ok := seen[addr]
			if !ok {
				want = n
			}
			if got := s.point(addr+1, n); got != want {
				t.Fatalf("%d sites: %#x is point %d, want %d", n, addr, got, want)
			}
		}
	}
}

func TestSitesTooFarApartAreRefused(t *testing.T) {
	if s := NewSites(arch.AMD64, []uint64{1, 1 + mostSpan}, []int{0, 1}); s != nil {
		t.Errorf("got %+v", s)
	}
}
