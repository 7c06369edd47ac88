// Package tinykernel makes kernel images of a few symbols, for tests that need
// an image and have no kernel. They are laid out as Linux 6.12 lays out its own:
//
//	.text    0xffffffff81000000  filled with ret
//	.rodata  0xffffffff82000000  the banner, then kallsyms
//	.notes                       the build id
package tinykernel

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"slices"
)

// A Symbol is one that the kernel is to have.
type Symbol struct {
	Addr uint64
	Type byte
	Name string
}

// Where the kernel lies.
const (
	Text = 0xffffffff81000000
	Data = 0xffffffff82000000
	text = 0x2000 // bytes
	page = 0x1000
)

// Fill is how many symbols there are at least.
const Fill = 300

// Banner is what it says of itself.
const Banner = "Linux version 6.12.0-tiny (nobody@nowhere) (gcc) #1 SMP\n"

var le = binary.LittleEndian

// Vmlinux makes an ELF file of a kernel with these symbols beside its own: _stext,
// _etext, linux_banner, and Fill of data, for no kernel has so few that its table
// would be recognised. With none it has no table of symbols.
func Vmlinux(buildID []byte, symbols ...Symbol) []byte {
	data := append([]byte(Banner), 0)
	if len(symbols) > 0 {
		symbols = append(symbols, Symbol{Text, 'T', "_stext"}, Symbol{Text + text, 'T', "_etext"}, Symbol{Data, 'D', "linux_banner"})
		for i := range Fill {
			symbols = append(symbols, Symbol{Data + 0x10000 + 16*uint64(i), 'b', fmt.Sprintf("filler_%d", i)})
		}
		data = append(data, kallsyms(Data+uint64(len(data)), symbols)...)
	}
	notes := note(buildID)
	for len(data)%8 != 0 {
		data = append(data, 0)
	}
	return link([]section{
		{name: ".text", addr: Text, flags: 6, bytes: bytes.Repeat([]byte{0xc3}, text)},
		{name: ".rodata", addr: Data, flags: 2, bytes: data},
		{name: ".notes", addr: Data + uint64(len(data)), kind: 7, flags: 2, bytes: notes},
	})
}

// BzImage packs a kernel as x86 boots it, by gzip.
func BzImage(vmlinux []byte) []byte {
	const version = "6.12.0-tiny (nobody@nowhere) #1 SMP"
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(vmlinux)
	z.Close()
	image := make([]byte, 3*512)
	image[0x1f1] = 2 // sectors of setup
	le.PutUint16(image[0x1fe:], 0xaa55)
	copy(image[0x202:], "HdrS")
	le.PutUint16(image[0x206:], 0x20f)
	le.PutUint16(image[0x20e:], 0x100)
	le.PutUint16(image[0x236:], 1) // 64 bits
	le.PutUint32(image[0x24c:], uint32(packed.Len()))
	copy(image[0x300:], version)
	return append(image, packed.Bytes()...)
}

func note(id []byte) []byte {
	n := le.AppendUint32(nil, 4)
	n = le.AppendUint32(n, uint32(len(id)))
	n = le.AppendUint32(n, 3)
	n = append(append(n, "GNU\x00"...), id...)
	return append(n, make([]byte, -len(n)&3)...)
}

// kallsyms lays the arrays out in the order of 6.4 to 6.14. A token stands for
// its own byte.
func kallsyms(at uint64, symbols []Symbol) []byte {
	slices.SortStableFunc(symbols, func(a, b Symbol) int { return cmp.Compare(a.Addr, b.Addr) })
	var names, marks, texts, index, offsets, seqs []byte
	for i, s := range symbols {
		if i%256 == 0 {
			marks = le.AppendUint32(marks, uint32(len(names)))
		}
		names = append(append(names, byte(1+len(s.Name)), s.Type), s.Name...)
		offsets = le.AppendUint32(offsets, uint32(int32(int64(Text-1-s.Addr))))
		if s.Addr < 1<<31 {
			le.PutUint32(offsets[4*i:], uint32(s.Addr)) // absolute
		}
	}
	for token := range 256 {
		index = le.AppendUint16(index, uint16(len(texts)))
		if token >= ' ' && token < 0x7f {
			texts = append(texts, byte(token))
		}
		texts = append(texts, 0)
	}
	for _, i := range byName(symbols) {
		seqs = append(seqs, byte(i>>16), byte(i>>8), byte(i))
	}
	out := make([]byte, -at&7)
	for _, array := range [][]byte{
		le.AppendUint32(nil, uint32(len(symbols))), names, marks, texts, index,
		offsets, le.AppendUint64(nil, Text), seqs,
	} {
		out = append(out, array...)
		out = append(out, make([]byte, -(at+uint64(len(out)))&7)...)
	}
	return out
}

func byName(symbols []Symbol) []int {
	order := make([]int, len(symbols))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(symbols[a].Name, symbols[b].Name) })
	return order
}

type section struct {
	name   string
	addr   uint64
	kind   uint32 // 1, PROGBITS, where 0
	flags  uint64
	bytes  []byte
	offset uint64
}

// link makes an ELF file of sections, each with a segment of its own.
func link(sections []section) []byte {
	const header, program = 64, 56
	out := make([]byte, header+program*len(sections))
	names := []byte{0}
	var headers bytes.Buffer
	headers.Write(make([]byte, 64))
	for i, s := range sections {
		out = append(out, make([]byte, (s.addr-uint64(len(out)))&(page-1))...)
		s.offset = uint64(len(out))
		out = append(out, s.bytes...)
		putProgram(out[header+program*i:], s)
		putSection(&headers, uint32(len(names)), s)
		names = append(append(names, s.name...), 0)
	}
	strings := section{kind: 3, offset: uint64(len(out)), bytes: append(names, ".shstrtab\x00"...)}
	out = append(out, strings.bytes...)
	putSection(&headers, uint32(len(names)), strings)
	out = append(out, make([]byte, -len(out)&7)...)
	putHeader(out, uint64(len(out)), len(sections))
	return append(out, headers.Bytes()...)
}

func putHeader(out []byte, sectionsAt uint64, sections int) {
	copy(out, "\x7fELF\x02\x01\x01")
	le.PutUint16(out[16:], 2)  // EXEC
	le.PutUint16(out[18:], 62) // x86-64
	le.PutUint32(out[20:], 1)
	le.PutUint64(out[24:], Text)
	le.PutUint64(out[32:], 64)
	le.PutUint64(out[40:], sectionsAt)
	for at, value := range map[int]int{52: 64, 54: 56, 56: sections, 58: 64, 60: sections + 2, 62: sections + 1} {
		le.PutUint16(out[at:], uint16(value))
	}
}

func putProgram(out []byte, s section) {
	le.PutUint32(out, 1) // LOAD
	le.PutUint32(out[4:], 5)
	le.PutUint64(out[8:], s.offset)
	le.PutUint64(out[16:], s.addr)
	le.PutUint64(out[24:], s.addr-Text)
	le.PutUint64(out[32:], uint64(len(s.bytes)))
	le.PutUint64(out[40:], uint64(len(s.bytes)))
	le.PutUint64(out[48:], page)
}

func putSection(out *bytes.Buffer, name uint32, s section) {
	h := make([]byte, 64)
	le.PutUint32(h, name)
	le.PutUint32(h[4:], max(s.kind, 1))
	le.PutUint64(h[8:], s.flags)
	le.PutUint64(h[16:], s.addr)
	le.PutUint64(h[24:], s.offset)
	le.PutUint64(h[32:], uint64(len(s.bytes)))
	le.PutUint64(h[48:], 8)
	out.Write(h)
}

// Few are the symbols of a test that asks for no others: n functions of 16 bytes.
func Few(n int) (symbols []Symbol) {
	for i := range n {
		symbols = append(symbols, Symbol{Text + 16*uint64(i), 't', fmt.Sprintf("function_%d", i)})
	}
	return symbols
}
