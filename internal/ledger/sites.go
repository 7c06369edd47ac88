package ledger

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/arch"
	"ktrap/internal/object"
)

// Sites tell by the address of a hit which point it is of, in the same few
// instructions however many there are. Table is for the map object.Sites: a hash
// without collisions. An address is taken as its distance from the lowest. A first
// hash of it finds a number, with which the second one, of all that is hashed at
// all, leads to a place of its own.
//
//	u32 number  × numbers
//	u32 distance, u32 index  × places
type Sites struct {
	Table []byte

	least           uint64 // the lowest address, as a hit has it
	span            uint32 // how far the highest is from it
	numbers, places int    // how many, as powers of two
	ip              int16  // where the program's context has the address
}

// mostSpan is how far apart the sites may be, bytes: all kernel text is closer.
const mostSpan = 1 << 31

// Multipliers of the hashes, odd and without a pattern.
const (
	first  = 0x9e3779b1 - 1<<32
	second = 0x85ebca6b - 1<<32
)

func hash(n uint32, by int64, to int) uint32 { return uint32(uint64(n*uint32(by)) >> (32 - to)) }

// NewSites makes the sites of points: addrs[i] is that of the point of indexes[i],
// and no two are the same. It returns nil for addresses too far apart.
func NewSites(a *arch.Arch, addrs []uint64, indexes []int) *Sites {
	s := &Sites{ip: int16(a.Regs[a.IP].Offset), least: slices.Min(addrs)}
	if slices.Max(addrs)-s.least >= mostSpan {
		return nil
	}
	s.span = uint32(slices.Max(addrs) - s.least)
	for s.numbers, s.places = log(len(addrs)/2), log(len(addrs)*5/4); !s.fill(addrs, indexes); s.places++ {
	}
	s.least += uint64(a.Trap)
	return s
}

// log is the power of two that is n or the next.
func log(n int) int { return bits.Len(uint(max(n, 1) - 1)) }

// fill makes the table, unless the places are too few to find one for each. The
// addresses that share a number are placed together, the most at once first.
func (s *Sites) fill(addrs []uint64, indexes []int) bool {
	sharing := make([][]int, 1<<s.numbers)
	for i, addr := range addrs {
		n := hash(uint32(addr-s.least), first, s.numbers)
		sharing[n] = append(sharing[n], i)
	}
	order := make([]int, len(sharing))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(sharing[b]), len(sharing[a])) })
	s.Table = make([]byte, s.slot(1<<s.places))
	taken := make([]bool, 1<<s.places)
	for _, n := range order {
		if !s.seat(uint32(n), addrs, sharing[n], indexes, taken) {
			return false
		}
	}
	for i, free := range taken {
		if !free { // a distance that none has
			binary.LittleEndian.PutUint32(s.Table[s.slot(i):], mostSpan)
		}
	}
	return true
}

// slot is where a place is in the table.
func (s *Sites) slot(place int) int { return 4<<s.numbers + 8*place }

// seat finds the number that gives each of some addresses a place of its own.
func (s *Sites) seat(n uint32, addrs []uint64, which, indexes []int, taken []bool) bool {
	const tries = 1 << 16
	places := make([]int, len(which))
search:
	for number := range uint32(tries) {
		for i, w := range which {
			places[i] = int(hash(uint32(addrs[w]-s.least)^number, second, s.places))
			if taken[places[i]] || slices.Contains(places[:i], places[i]) {
				continue search
			}
		}
		binary.LittleEndian.PutUint32(s.Table[4*n:], number)
		for i, w := range which {
			taken[places[i]] = true
			at := s.Table[s.slot(places[i]):]
			binary.LittleEndian.PutUint32(at, uint32(addrs[w]-s.least))
			binary.LittleEndian.PutUint32(at[4:], uint32(indexes[w]))
		}
		return true
	}
	return false
}

// find leaves in Index the point's index, or points where the address is no site's.
// R1 has the program's context.
func (s *Sites) find(points int) asm.Instructions {
	const known = "ktrap.known"
	return asm.Instructions{
		asm.LoadMem(Index, asm.R1, s.ip, asm.DWord),
		asm.LoadImm(asm.R1, int64(s.least), asm.DWord),
		asm.Sub.Reg(Index, asm.R1),
		asm.Mov.Imm(asm.R3, int32(points)),
		asm.JGT.Imm(Index, int32(s.span), known),
		asm.Mov.Reg(asm.R1, Index),
		asm.Mul.Imm32(asm.R1, first),
		asm.RSh.Imm(asm.R1, int32(32-s.numbers)),
		asm.LSh.Imm(asm.R1, 2),
		asm.LoadMapValue(asm.R2, 0, 0).WithReference(object.Sites),
		asm.Add.Reg(asm.R2, asm.R1),
		asm.LoadMem(asm.R2, asm.R2, 0, asm.Word),
		asm.Mov.Reg(asm.R1, Index),
		asm.Xor.Reg(asm.R1, asm.R2),
		asm.Mul.Imm32(asm.R1, second),
		asm.RSh.Imm(asm.R1, int32(32-s.places)),
		asm.LSh.Imm(asm.R1, 3),
		asm.LoadMapValue(asm.R2, 0, uint32(s.slot(0))).WithReference(object.Sites),
		asm.Add.Reg(asm.R2, asm.R1),
		asm.LoadMem(asm.R1, asm.R2, 0, asm.Word),
		asm.JNE.Reg(asm.R1, Index, known),
		asm.LoadMem(asm.R3, asm.R2, 4, asm.Word),
		asm.Mov.Reg(Index, asm.R3).WithSymbol(known),
		asm.JGT.Imm(Index, int32(points), Out), // never: for the verifier
	}
}
