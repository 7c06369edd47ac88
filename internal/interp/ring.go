package interp

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

const record = "a record"

// live is a record that the program owns.
type live struct {
	mem *memory
	m   *Map
}

// ringHeader is what the kernel keeps before each record.
const ringHeader = 8

func footprint(n uint64) uint64 { return (n + ringHeader + 7) &^ 7 }

// reserve gives a record full of rubbish: the kernel's is what was there before.
func ringReserve(r *run) value {
	m, size, flags := r.regs[asm.R1].m, r.regs[asm.R2].bits, r.regs[asm.R3].bits
	r.ids++
	none := value{kind: maybe, id: r.ids}
	if flags != 0 || size > uint64(m.MaxEntries) || uint64(m.used)+footprint(size) > uint64(m.MaxEntries) {
		return none
	}
	mem := &memory{base: recordBase + uint64(r.ids)<<20, data: make([]byte, size), what: record}
	for i := range mem.data {
		mem.data[i] = 0xa5
	}
	m.used += int(footprint(size))
	r.live = append(r.live, live{mem, m})
	return value{kind: maybe, id: r.ids, bits: mem.base, mem: mem}
}

func ringSubmit(r *run) value {
	if l, ok := r.giveBack(); ok {
		l.m.records = append(l.m.records, l.mem.data)
	}
	return value{}
}

func ringDiscard(r *run) value {
	r.giveBack() // the ring's space is used all the same, until the reader passes it
	return value{}
}

func (r *run) giveBack() (live, bool) {
	v := r.regs[asm.R1]
	for i, l := range r.live {
		if v.kind == pointer && v.mem == l.mem && v.bits == l.mem.base {
			r.live = append(r.live[:i], r.live[i+1:]...)
			r.release(l.mem)
			return l, true
		}
	}
	r.fault(diag.VerifierReference, "gives back %s, which is not the start of a record", v.kind)
	return live{}, false
}

func ringOutput(r *run) value {
	m, size, flags := r.regs[asm.R1].m, r.regs[asm.R3].bits, r.regs[asm.R4].bits
	if flags&^3 != 0 {
		return errno(errInvalid)
	}
	if uint64(m.used)+footprint(size) > uint64(m.MaxEntries) {
		return errno(errAgain)
	}
	data := r.input(r.regs[asm.R2], int(size), "reads")
	m.used += int(footprint(size))
	m.records = append(m.records, append([]byte(nil), data...))
	return number(0)
}
