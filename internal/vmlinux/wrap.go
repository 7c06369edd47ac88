package vmlinux

import (
	"debug/elf"
	"encoding/binary"
	"io"
	"iter"

	"ktrap/internal/kallsyms"
)

// A cut is where a section of an Image begins: at the symbol of that name.
type cut struct {
	symbol, section string
	flags           elf.SectionFlag
}

const text, data = elf.SHF_ALLOC | elf.SHF_EXECINSTR, elf.SHF_ALLOC | elf.SHF_WRITE

// cuts are of all arm64 kernels (arch/arm64/kernel/vmlinux.lds.S), in order.
var cuts = []cut{
	{"_text", ".text", text},
	{"_etext", ".rodata", data},
	{"_sinittext", ".init.text", text},
	{"_einittext", ".data", data},
}

// wrapAt is where the kernel begins in the ELF file, as segments must lie at
// the same place of a page (at most 64 KB) in the file as in memory.
const wrapAt = 64 << 10

// wrapped makes an ELF file around an Image: header, segments' headers, and from
// 64 KB on the kernel, its words relocated. Its sections begin at the symbols
// that tell text from data, so that what disassembles passes data over.
func (k *Kernel) wrapped(syms iter.Seq[kallsyms.Symbol]) linked {
	kernel := k.segments[0]
	f := linked{size: wrapAt + uint64(len(kernel.data)), sections: cutUp(kernel, addresses(syms))}
	for _, s := range f.sections[1:] {
		if s.Type == elf.SHT_NOBITS {
			f.programs[len(f.programs)-1].Memsz += s.Size
			continue
		}
		f.programs = append(f.programs, elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W | elf.PF_X),
			Off: s.Offset, Vaddr: s.Addr, Paddr: s.Addr, Filesz: s.Size, Memsz: s.Size, Align: wrapAt})
	}
	f.header = elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_AARCH64), Version: uint32(elf.EV_CURRENT), Entry: kernel.addr,
		Phoff: headerSize, Ehsize: headerSize, Phentsize: programSize, Phnum: uint16(len(f.programs)),
	}
	f.content = func(w io.Writer) {
		programs, _ := binary.Append(nil, le, f.programs)
		w.Write(append(programs, make([]byte, wrapAt-headerSize-len(programs))...))
		k.writeMemory(w)
	}
	return f
}

// cutUp makes the sections, with the empty one that every file begins with.
func cutUp(kernel segment, at map[string]uint64) []elf.SectionHeader {
	sections := []elf.SectionHeader{{}}
	end := kernel.addr + uint64(len(kernel.data))
	start := kernel.addr
	for i, c := range cuts {
		next := end
		if i+1 < len(cuts) {
			next = min(max(at[cuts[i+1].symbol], start), end)
		}
		if next > start { // else the kernel has no such symbol
			sections = append(sections, elf.SectionHeader{Name: c.section, Type: elf.SHT_PROGBITS, Flags: c.flags,
				Addr: start, Offset: wrapAt + start - kernel.addr, Size: next - start, Addralign: 4})
		}
		start = next
	}
	return append(sections, elf.SectionHeader{Name: ".bss", Type: elf.SHT_NOBITS, Flags: data,
		Addr: end, Offset: wrapAt + uint64(len(kernel.data)), Size: kernel.size - uint64(len(kernel.data)), Addralign: 4})
}

// writeMemory writes the Image as its words are in memory.
func (k *Kernel) writeMemory(w io.Writer) {
	chunk := make([]byte, 1<<20)
	kernel := k.segments[0]
	for at := 0; at < len(kernel.data); at += len(chunk) {
		chunk = chunk[:min(len(chunk), len(kernel.data)-at)]
		k.ReadMem(chunk, kernel.addr+uint64(at)) // lies in the segment
		w.Write(chunk)
	}
}

// addresses finds the symbols that the cuts are made at.
func addresses(syms iter.Seq[kallsyms.Symbol]) map[string]uint64 {
	found := map[string]uint64{}
	for s := range syms {
		for _, c := range cuts {
			if s.Name == c.symbol {
				found[s.Name] = s.Addr
			}
		}
	}
	return found
}
