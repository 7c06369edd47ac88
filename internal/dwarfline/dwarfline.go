// Package dwarfline tells the lines of source, and the functions inlined, that
// an address of a kernel was made from, out of the DWARF of its vmlinux. It reads
// what a question needs and no more, because that file has hundreds of megabytes:
//
//	.debug_aranges   address        -> the unit (a file that was compiled)
//	.debug_info      one unit's     -> the function there, and what is inlined
//	.debug_line      that unit's    -> file and line
//
// debug/dwarf reads the entries: it is given one unit as if that were all. For a
// kernel, reading all units first takes a second and a gigabyte. It understands
// DWARF 4 and 5 whose units don't refer to each other: made without link-time
// optimisation and without dwz.
package dwarfline

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
)

// A Frame is a line of source in a function.
type Frame struct {
	File string // as in the kernel's tree: net/unix/af_unix.c
	Line int
	Func string // empty for assembly, and where the compiler merged functions that are alike
}

// ErrNone says that no unit describes an address.
var ErrNone = errors.New("no line of source is known")

// File is the DWARF of a kernel. It is not safe for use from many goroutines.
type File struct {
	order    binary.ByteOrder
	buildID  string
	sections map[string][]byte

	last  *unit  // the unit of the latest question
	spans []span // of all units, where .debug_aranges was not enough
}

// unpackedAtMost bounds what compressed sections may grow to together, in bytes.
const unpackedAtMost = 2 << 30

// wanted are the sections that are read; true where there is no DWARF without.
var wanted = map[string]bool{
	".debug_info": true, ".debug_abbrev": true, ".debug_line": true,
	".debug_aranges": false, ".debug_str": false, ".debug_line_str": false,
	".debug_ranges": false, ".debug_rnglists": false, ".debug_addr": false, ".debug_str_offsets": false,
}

// Parse finds the DWARF in an ELF file, whose bytes are kept and may be those of
// a mapped file.
func Parse(data []byte) (f *File, err error) {
	defer guard(&err)
	e, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if e.Type == elf.ET_REL {
		return nil, errors.New("an object file, not a linked kernel: its DWARF has no addresses yet")
	}
	f = &File{order: e.ByteOrder, sections: map[string][]byte{}}
	unpacked := uint64(0)
	for _, s := range e.Sections {
		if err := f.take(data, s, &unpacked); err != nil {
			return nil, fmt.Errorf("section %s: %w", s.Name, err)
		}
	}
	for name, needed := range wanted {
		if needed && len(f.sections[name]) == 0 {
			return nil, fmt.Errorf("it has no DWARF (section %s)", name)
		}
	}
	return f, nil
}

// BuildID is the kernel's build-id in hex, or "".
func (f *File) BuildID() string { return f.buildID }

// take keeps a section's bytes if they are wanted.
func (f *File) take(data []byte, s *elf.Section, unpacked *uint64) error {
	if s.Type == elf.SHT_NOTE && f.buildID == "" {
		if notes, err := stored(data, s); err == nil {
			f.buildID = buildID(notes, f.order)
		}
	}
	if len(s.Name) > 8 && s.Name[:8] == ".zdebug_" {
		return errors.New("compressed in the old way of GNU; `objcopy --decompress-debug-sections` undoes it")
	}
	if _, ok := wanted[s.Name]; !ok || s.Type == elf.SHT_NOBITS {
		return nil
	}
	kept, err := stored(data, s)
	if s.Flags&elf.SHF_COMPRESSED != 0 {
		if *unpacked += s.Size; *unpacked > unpackedAtMost || s.Size > unpackedAtMost {
			return fmt.Errorf("it unpacks to %d bytes, more than a kernel's", s.Size)
		}
		kept, err = s.Data()
	}
	f.sections[s.Name] = kept
	return err
}

// stored is a section as it lies in the file.
func stored(data []byte, s *elf.Section) ([]byte, error) {
	if s.Offset > uint64(len(data)) || s.FileSize > uint64(len(data))-s.Offset {
		return nil, errors.New("it ends behind the end of the file")
	}
	return data[s.Offset : s.Offset+s.FileSize], nil
}

const noteBuildID = 3

// buildID looks for the note of the owner "GNU". A note is the sizes of its name
// and text and a type, u32 each, then both, each padded to 4 bytes.
func buildID(notes []byte, order binary.ByteOrder) string {
	for len(notes) >= 12 {
		name, text, kind := uint64(order.Uint32(notes)), uint64(order.Uint32(notes[4:])), order.Uint32(notes[8:])
		textAt := 12 + (name+3)&^3
		next := textAt + (text+3)&^3
		if textAt+text > uint64(len(notes)) {
			return ""
		}
		if kind == noteBuildID && string(notes[12:12+name]) == "GNU\x00" {
			return hex.EncodeToString(notes[textAt : textAt+text])
		}
		notes = notes[min(next, uint64(len(notes))):]
	}
	return ""
}

// guard turns a panic into an error: debug/dwarf trusts what it reads more than
// we do. A mapped file that is cut while it is read is one as well.
func guard(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("damaged DWARF: %v", r)
	}
}

// faults makes reading what is no longer in a mapped file a panic, for guard,
// instead of the end of the process; its result undoes it.
func faults() (undo func()) {
	before := debug.SetPanicOnFault(true)
	return func() { debug.SetPanicOnFault(before) }
}
