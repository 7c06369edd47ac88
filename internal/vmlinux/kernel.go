package vmlinux

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"sync"

	"ktrap/internal/kallsyms"
)

// A Kernel is an unpacked kernel, laid out at the addresses it was linked for.
// It does not change and may be used from many goroutines.
type Kernel struct {
	Arch string // a GOARCH

	data        []byte
	elf         *elf.File // nil for a flat Image
	segments    []segment // by address
	sections    []Section
	relocations []relocation // by address; arm64 only
	layout      func() (kallsyms.Layout, error)
}

// A segment is a part of memory. What it has beyond its data is zero.
type segment struct {
	addr, size uint64
	data       []byte
}

// A Section is what an ELF file calls a part of itself.
type Section struct {
	Name       string
	Addr, Size uint64 // in memory; Addr is 0 for percpu data up to 6.14
	Type       elf.SectionType
	Flags      elf.SectionFlag
	EntrySize  uint64 // 0 where that was not said
	data       []byte
}

// Parse reads an unpacked kernel. data is kept, and may be mapped memory.
func Parse(data []byte) (*Kernel, error) {
	k := &Kernel{data: data}
	k.layout = sync.OnceValues(k.findLayout)
	var err error
	switch {
	case isELF(data):
		err = k.parseELF()
	case isImage(data):
		err = k.parseImage()
	default:
		err = fmt.Errorf("neither an ELF file nor an arm64 Image: it begins with % x", data[:min(8, len(data))])
	}
	if err != nil {
		return nil, fmt.Errorf("read kernel: %w", err)
	}
	return k, nil
}

func (k *Kernel) parseELF() error {
	if len(k.data) < 64 {
		return errTruncated
	}
	if k.Arch = elfArch(k.data); k.Arch != "amd64" && k.Arch != "arm64" {
		return fmt.Errorf("it is for %s; amd64 and arm64 are known", cmp.Or(k.Arch, elf.Machine(le.Uint16(k.data[18:])).String()+" of 32 bits or big-endian"))
	}
	var err error
	if k.elf, err = elf.NewFile(bytes.NewReader(k.data)); err != nil {
		return err
	}
	if err := k.readSegments(); err != nil {
		return err
	}
	if err := k.readSections(); err != nil {
		return err
	}
	if k.Arch == "arm64" {
		k.findRelocations()
	}
	return nil
}

func (k *Kernel) readSegments() error {
	for _, p := range k.elf.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		data, err := part(k.data, "segment", p.Off, p.Filesz)
		if err != nil {
			return err
		}
		if p.Vaddr+p.Memsz < p.Vaddr || p.Memsz < p.Filesz {
			return fmt.Errorf("a segment at %#x of %d bytes, %d of them in the file", p.Vaddr, p.Memsz, p.Filesz)
		}
		k.segments = append(k.segments, segment{p.Vaddr, p.Memsz, data})
	}
	if len(k.segments) == 0 {
		return errors.New("an ELF file without segments is no kernel")
	}
	slices.SortFunc(k.segments, func(a, b segment) int { return cmp.Compare(a.addr, b.addr) })
	return nil
}

func (k *Kernel) readSections() error {
	for _, s := range k.elf.Sections {
		section := Section{Name: s.Name, Addr: s.Addr, Size: s.Size, Type: s.Type, Flags: s.Flags, EntrySize: s.Entsize}
		if s.Type != elf.SHT_NOBITS && s.Type != elf.SHT_NULL {
			data, err := part(k.data, "section "+s.Name, s.Offset, s.FileSize)
			if err != nil {
				return err
			}
			section.data = data
		}
		k.sections = append(k.sections, section)
	}
	return nil
}

// Sections lists the sections of an ELF file; a flat Image has none.
func (k *Kernel) Sections() []Section { return k.sections }

// Section finds a section by its name.
func (k *Kernel) Section(name string) (Section, bool) {
	for _, s := range k.sections {
		if s.Name == name {
			return s, true
		}
	}
	return Section{}, false
}

// within returns the segment that addr lies in, or nil.
func (k *Kernel) within(addr uint64) *segment {
	i, found := slices.BinarySearchFunc(k.segments, addr, func(s segment, addr uint64) int { return cmp.Compare(s.addr, addr) })
	if !found {
		i--
	}
	if i < 0 || addr-k.segments[i].addr >= k.segments[i].size {
		return nil
	}
	return &k.segments[i]
}

// ReadMem fills p with the memory from addr on, as it is when the kernel was
// loaded where it was linked for and has not run yet.
func (k *Kernel) ReadMem(p []byte, addr uint64) error {
	for done := 0; done < len(p); {
		at := addr + uint64(done)
		s := k.within(at)
		if s == nil {
			return fmt.Errorf("read %d bytes at %#x: the kernel image has nothing at %#x", len(p), addr, at)
		}
		offset := at - s.addr
		chunk := p[done:]
		chunk = chunk[:min(uint64(len(chunk)), s.size-offset)]
		clear(chunk[copy(chunk, s.data[min(offset, uint64(len(s.data))):]):])
		done += len(chunk)
	}
	k.relocate(p, addr)
	return nil
}

// Bytes returns n bytes of memory from addr on. They are not copied where they
// lie in the image as they are, and must not be changed.
func (k *Kernel) Bytes(addr uint64, n int) ([]byte, error) {
	s := k.within(addr)
	if s == nil || n < 0 || uint64(n) > s.size-(addr-s.addr) {
		return nil, fmt.Errorf("read %d bytes at %#x: the kernel image does not have them in one part", n, addr)
	}
	if end := addr - s.addr + uint64(n); end <= uint64(len(s.data)) && !k.isRelocated(addr, n) {
		return s.data[end-uint64(n) : end : end], nil
	}
	if n > MaxSize {
		return nil, fmt.Errorf("read %d bytes at %#x: more than any kernel has", n, addr)
	}
	p := make([]byte, n)
	return p, k.ReadMem(p, addr)
}

// Layout says where the arrays of the symbol table lie; see kallsyms.Load.
func (k *Kernel) Layout() (kallsyms.Layout, error) { return k.layout() }

// findLayout looks in all segments. A segment that comes without the arrays is the
// common case, so the error is of the one that came nearest.
func (k *Kernel) findLayout() (l kallsyms.Layout, err error) {
	err = errors.New("search for kallsyms: the kernel has no segments")
	for _, s := range k.segments {
		if l, err = kallsyms.Recover(s.data, s.addr); err == nil {
			return l, nil
		}
	}
	return l, err
}
