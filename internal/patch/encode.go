package patch

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

const (
	magic      = "ktrap-p1"
	headerSize = len(magic) + 8 + int(kinds)*partSize
	partSize   = 16
	shortSize  = 4
	longSize   = 20
	flagBit    = 1 << 31
)

var le = binary.LittleEndian

// Make returns a table of entries that were found elsewhere. The kinds of present
// count as found even without an entry.
func Make(entries []Entry, present ...Kind) *Table {
	b := new(builder)
	for _, k := range present {
		b.present[k] = true
	}
	for _, e := range entries {
		b.add(e)
	}
	return b.table()
}

// A builder collects entries in any order. Those of a kind that are nothing but
// addresses, of which a kernel has hundreds of thousands, are kept as such.
type builder struct {
	present [kinds]bool
	entries [kinds][]Entry
	plain   [kinds][]uint64
}

func (b *builder) add(e Entry) {
	b.present[e.Kind] = true
	b.entries[e.Kind] = append(b.entries[e.Kind], e)
}

// expect makes room for n entries more.
func (b *builder) expect(k Kind, n int) { b.entries[k] = slices.Grow(b.entries[k], n) }

// table encodes the entries; those too far from the rest to be of the same
// kernel, of which a damaged image may tell, are left out.
func (b *builder) table() *Table {
	base := b.base()
	data := make([]byte, headerSize)
	copy(data, magic)
	le.PutUint64(data[len(magic):], base)
	for k := range kinds {
		if addrs := b.plain[k]; addrs != nil {
			data = appendPlain(data, k, addrs, base)
			continue
		}
		entries := slices.DeleteFunc(b.entries[k], func(e Entry) bool { return e.Addr-base > math.MaxUint32 })
		if !slices.IsSortedFunc(entries, byAddr) {
			slices.SortStableFunc(entries, byAddr)
		}
		size := commonSize(entries)
		if b.present[k] {
			putPart(data, k, len(entries), size)
		}
		data = slices.Grow(data, len(entries)*longSize)
		for _, e := range entries {
			data = appendRecord(data, e, base, size != 0)
		}
	}
	t, err := Decode(data)
	if err != nil {
		panic("ktrap bug: " + err.Error())
	}
	return t
}

// putPart notes that the records of a kind begin at the end of data.
func putPart(data []byte, k Kind, count int, size uint32) {
	p := data[len(magic)+8+int(k)*partSize:]
	le.PutUint32(p, 1)
	le.PutUint32(p[4:], uint32(count))
	le.PutUint32(p[8:], uint32(len(data)))
	le.PutUint32(p[12:], size)
}

func appendPlain(data []byte, k Kind, addrs []uint64, base uint64) []byte {
	addrs = slices.DeleteFunc(addrs, func(addr uint64) bool { return addr-base > math.MaxUint32 })
	if !slices.IsSorted(addrs) {
		slices.Sort(addrs)
	}
	putPart(data, k, len(addrs), plainSizes[k])
	data = slices.Grow(data, len(addrs)*shortSize)
	for _, addr := range addrs {
		data = le.AppendUint32(data, uint32(addr-base))
	}
	return data
}

func byAddr(x, y Entry) int { return cmp.Compare(x.Addr, y.Addr) }

// base is 2 GB below the lowest entry of the kind that has most, so that what
// entries point at is in reach on both sides.
func (b *builder) base() uint64 {
	lowest, most := uint64(0), 0
	for k, entries := range b.entries {
		if len(entries) > most {
			most, lowest = len(entries), slices.MinFunc(entries, byAddr).Addr
		}
		if plain := b.plain[k]; len(plain) > most {
			most, lowest = len(plain), slices.Min(plain)
		}
	}
	return lowest - 1<<31
}

// commonSize is the size of all entries, if they say nothing else.
func commonSize(entries []Entry) uint32 {
	if len(entries) == 0 || entries[0].Size <= 0 {
		return 0
	}
	size := entries[0].Size
	for _, e := range entries {
		if e.Size != size || e.Target != 0 || e.Ref != 0 || e.Number != 0 || e.Flag {
			return 0
		}
	}
	return uint32(size)
}

func appendRecord(data []byte, e Entry, base uint64, short bool) []byte {
	data = le.AppendUint32(data, uint32(e.Addr-base))
	if short {
		return data
	}
	number := uint32(e.Number) &^ flagBit
	if e.Flag {
		number |= flagBit
	}
	data = le.AppendUint32(data, uint32(e.Size))
	data = le.AppendUint32(data, number)
	data = le.AppendUint32(data, near(e.Target, base))
	return le.AppendUint32(data, near(e.Ref, base))
}

// near is the distance of addr from base, or 0 if it is none or too far.
func near(addr, base uint64) uint32 {
	if addr == 0 || addr-base > math.MaxUint32 {
		return 0
	}
	return uint32(addr - base)
}

// Encode returns the table's bytes, for Decode.
func (t *Table) Encode() []byte { return t.data }

// Decode returns the table that data is the bytes of. It looks at the header
// only; data must stay as it is as long as the table is used.
func Decode(data []byte) (*Table, error) {
	if len(data) < headerSize || string(data[:len(magic)]) != magic {
		return nil, errors.New("read a table of patches: it does not begin as one")
	}
	t := &Table{base: le.Uint64(data[len(magic):]), data: data}
	for k := range kinds {
		p := data[len(magic)+8+int(k)*partSize:]
		count, offset, size := uint64(le.Uint32(p[4:])), uint64(le.Uint32(p[8:])), le.Uint32(p[12:])
		width := uint64(longSize)
		if size != 0 {
			width = shortSize
		}
		if offset > uint64(len(data)) || count*width > uint64(len(data))-offset {
			return nil, errors.New("read a table of patches: it is cut short at " + k.String())
		}
		t.parts[k] = part{le.Uint32(p) != 0, int(count), data[offset : offset+count*width], size}
	}
	return t, nil
}

func (t *Table) addr(k Kind, i int) uint64 {
	p := &t.parts[k]
	if p.size != 0 {
		return t.base + uint64(le.Uint32(p.records[i*shortSize:]))
	}
	return t.base + uint64(le.Uint32(p.records[i*longSize:]))
}

func (t *Table) entry(k Kind, i int) Entry {
	p := &t.parts[k]
	e := Entry{Kind: k, Addr: t.addr(k, i), Size: int(p.size)}
	if p.size != 0 {
		return e
	}
	r := p.records[i*longSize:]
	number := le.Uint32(r[8:])
	e.Size, e.Number, e.Flag = int(le.Uint32(r[4:])), int(number&^flagBit), number&flagBit != 0
	e.Target, e.Ref = t.far(le.Uint32(r[12:])), t.far(le.Uint32(r[16:]))
	return e
}

func (t *Table) far(distance uint32) uint64 {
	if distance == 0 {
		return 0
	}
	return t.base + uint64(distance)
}
