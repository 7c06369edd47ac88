package vmlinux

import (
	"bufio"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"slices"

	"ktrap/internal/kallsyms"
)

// WithSymbols writes the kernel as an ELF file with a symbol table of syms, so
// that objdump, gdb and perf know names. All that was in the file stays where it
// was, but for the places of the section headers in its own header:
//
//	the file | .symtab .strtab .shstrtab | section headers
//
// A flat Image becomes an ELF file; see wrap. A file that has a symbol table is
// written as it is.
func (k *Kernel) WithSymbols(w io.Writer, syms iter.Seq[kallsyms.Symbol]) error {
	if _, ok := k.Section(".symtab"); ok {
		_, err := w.Write(k.data)
		return err
	}
	if len(k.sections)+3 >= int(elf.SHN_LORESERVE) {
		return fmt.Errorf("add symbols: %d sections are too many", len(k.sections))
	}
	var f linked
	if k.elf != nil {
		f = k.unwrapped()
	} else {
		f = k.wrapped(syms)
	}
	f.addSymbols(syms)
	f.addNames()
	out := bufio.NewWriterSize(w, 1<<20)
	f.writeTo(out)
	return out.Flush()
}

// A linked is an ELF file in the making. Its sections' names are put into
// .shstrtab at the end.
type linked struct {
	header   elf.Header64
	programs []elf.Prog64
	content  func(w io.Writer) // writes what follows the header, to the size
	size     uint64
	tail     []byte // what is added behind that
	sections []elf.SectionHeader
}

const (
	headerSize  = 64
	programSize = 56
	sectionSize = 64
	symbolSize  = 24
)

// unwrapped makes a linked of an ELF file.
func (k *Kernel) unwrapped() linked {
	f := linked{size: uint64(len(k.data)), sections: make([]elf.SectionHeader, 0, 64)}
	binary.Decode(k.data, le, &f.header) // has been checked when it was parsed
	for _, s := range k.elf.Sections {
		header := s.SectionHeader
		header.Size = cmp.Or(s.FileSize, s.Size)
		f.sections = append(f.sections, header)
	}
	if len(f.sections) == 0 {
		f.sections = append(f.sections, elf.SectionHeader{})
	}
	f.content = func(w io.Writer) { w.Write(k.data[headerSize:]) }
	return f
}

// add appends a section behind the file.
func (f *linked) add(s elf.SectionHeader, content []byte) {
	for (f.size+uint64(len(f.tail)))%8 != 0 {
		f.tail = append(f.tail, 0)
	}
	s.Addralign, s.Offset, s.Size = 8, f.size+uint64(len(f.tail)), uint64(len(content))
	f.sections = append(f.sections, s)
	f.tail = append(f.tail, content...)
}

// addSymbols adds the symbols and their names, local symbols first, as the
// format wants it.
func (f *linked) addSymbols(syms iter.Seq[kallsyms.Symbol]) {
	names := []byte{0}
	table := [][]byte{make([]byte, symbolSize), nil}
	place := f.placer()
	for s := range syms {
		sym := place(s)
		sym.Name = uint32(len(names))
		names = append(append(names, s.Name...), 0)
		global := 0
		if elf.ST_BIND(sym.Info) != elf.STB_LOCAL {
			global = 1
		}
		table[global] = appendSymbol(table[global], sym)
	}
	locals := len(table[0]) / symbolSize
	f.add(elf.SectionHeader{Name: ".symtab", Type: elf.SHT_SYMTAB, Entsize: symbolSize,
		Link: uint32(len(f.sections) + 1), Info: uint32(locals)}, slices.Concat(table...))
	f.add(elf.SectionHeader{Name: ".strtab", Type: elf.SHT_STRTAB}, names)
}

// appendSymbol is encoding/binary's Append, in a third of the time.
func appendSymbol(table []byte, s elf.Sym64) []byte {
	table = append(le.AppendUint32(table, s.Name), s.Info, s.Other)
	table = le.AppendUint16(table, s.Shndx)
	return le.AppendUint64(le.AppendUint64(table, s.Value), s.Size)
}

// placer returns a function that puts symbols into sections: the one that holds
// the address, or that ends there, where a linker's marks of an end stand.
func (f *linked) placer() func(kallsyms.Symbol) elf.Sym64 {
	var order []int
	for i, s := range f.sections {
		if s.Flags&elf.SHF_ALLOC != 0 && s.Size != 0 {
			order = append(order, i)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(f.sections[a].Addr, f.sections[b].Addr) })
	return func(s kallsyms.Symbol) elf.Sym64 {
		sym := elf.Sym64{Value: s.Addr, Size: s.Size, Shndx: uint16(elf.SHN_ABS)}
		kind := elf.STT_NOTYPE
		i, found := slices.BinarySearchFunc(order, s.Addr, func(i int, addr uint64) int { return cmp.Compare(f.sections[i].Addr, addr) })
		if !found {
			i--
		}
		if i >= 0 && s.Addr-f.sections[order[i]].Addr <= f.sections[order[i]].Size {
			in := f.sections[order[i]]
			sym.Shndx, kind = uint16(order[i]), elf.STT_OBJECT
			if in.Flags&elf.SHF_EXECINSTR != 0 {
				kind = elf.STT_FUNC
			}
			sym.Size = min(s.Size, in.Addr+in.Size-s.Addr)
		}
		sym.Info = elf.ST_INFO(binding(s.Type), kind)
		return sym
	}
}

// binding reads nm's letter: small ones are local, but for weak symbols.
func binding(letter byte) elf.SymBind {
	switch {
	case letter|0x20 == 'w' || letter|0x20 == 'v':
		return elf.STB_WEAK
	case letter >= 'a':
		return elf.STB_LOCAL
	}
	return elf.STB_GLOBAL
}

// addNames adds the names of all sections, its own too.
func (f *linked) addNames() {
	const own = ".shstrtab"
	names := []byte{0}
	for _, s := range f.sections {
		names = append(append(names, s.Name...), 0)
	}
	f.header.Shstrndx = uint16(len(f.sections))
	f.add(elf.SectionHeader{Name: own, Type: elf.SHT_STRTAB}, append(names, own+"\x00"...))
}

// writeTo leaves errors to the writer, which keeps the first.
func (f *linked) writeTo(w *bufio.Writer) {
	end := f.size + uint64(len(f.tail))
	f.header.Shoff = (end + 7) &^ 7
	f.header.Shnum, f.header.Shentsize = uint16(len(f.sections)), sectionSize
	binary.Write(w, le, f.header)
	f.content(w)
	w.Write(f.tail)
	w.Write(make([]byte, f.header.Shoff-end))
	name := uint32(1)
	for _, s := range f.sections {
		binary.Write(w, le, elf.Section64{Name: name, Type: uint32(s.Type), Flags: uint64(s.Flags), Addr: s.Addr, Off: s.Offset,
			Size: s.Size, Link: s.Link, Info: s.Info, Addralign: s.Addralign, Entsize: s.Entsize})
		name += uint32(len(s.Name)) + 1
	}
}
