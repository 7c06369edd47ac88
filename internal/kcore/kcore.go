// Package kcore reads the memory of the running kernel through /proc/kcore: by
// virtual address, as it is now, with the kernel's own notes about itself. It
// only reads. The file is an ELF64 core whose data are made up as they are read:
//
//	ELF header, program headers
//	PT_NOTE   CORE notes, then VMCOREINFO: lines KEY=VALUE
//	PT_LOAD   a stretch of kernel memory: virtual address -> file offset
//	...
//
// It takes CAP_SYS_RAWIO to open it, and a kernel that is not locked down to
// confidentiality. Memory that is not there reads as zeros.
package kcore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// A Core is an open core file. It may be read from many goroutines.
type Core struct {
	file  *os.File
	info  Info
	loads []load
}

type load struct{ addr, size, offset uint64 }

const (
	headerSize  = 64
	programSize = 56
	programNote = 4
	programLoad = 1
	maxNotes    = 1 << 20 // bytes; a note holds a task_struct of some 10 KB
)

// Open opens the core file at path, which is /proc/kcore.
func Open(path string) (*Core, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	c := &Core{file: f}
	if err := c.readHeaders(); err != nil {
		f.Close()
		return nil, fmt.Errorf("read the headers of %s: %w", path, err)
	}
	return c, nil
}

// Close closes the file.
func (c *Core) Close() error { return c.file.Close() }

// Info returns what the kernel says of itself; it is empty where the kernel was
// built without CONFIG_VMCORE_INFO (up to 6.8: CONFIG_CRASH_CORE).
func (c *Core) Info() Info { return c.info }

// ReadMem fills p with the memory from addr on.
func (c *Core) ReadMem(p []byte, addr uint64) error {
	for _, l := range c.loads {
		if addr < l.addr || addr-l.addr >= l.size {
			continue
		}
		if l.size-(addr-l.addr) < uint64(len(p)) {
			break
		}
		if _, err := c.file.ReadAt(p, int64(l.offset+addr-l.addr)); err != nil {
			return fmt.Errorf("read kernel memory at %#x: %w", addr, err)
		}
		return nil
	}
	return fmt.Errorf("read %d bytes of kernel memory at %#x: no such memory", len(p), addr)
}

func (c *Core) readHeaders() error {
	header := make([]byte, headerSize)
	if _, err := c.file.ReadAt(header, 0); err != nil {
		return err
	}
	// 64 bits, little-endian: all that ktrap runs on.
	if !bytes.HasPrefix(header, []byte("\x7fELF\x02\x01")) {
		return errors.New("not an ELF64 file")
	}
	programs := make([]byte, programSize*int(binary.LittleEndian.Uint16(header[56:])))
	if _, err := c.file.ReadAt(programs, int64(binary.LittleEndian.Uint64(header[32:]))); err != nil {
		return err
	}
	for ; len(programs) > 0; programs = programs[programSize:] {
		if err := c.readProgram(programs[:programSize]); err != nil {
			return err
		}
	}
	return nil
}

func (c *Core) readProgram(p []byte) error {
	word := binary.LittleEndian.Uint64
	offset, addr, size := word(p[8:]), word(p[16:]), word(p[32:])
	switch binary.LittleEndian.Uint32(p) {
	case programLoad:
		c.loads = append(c.loads, load{addr, size, offset})
	case programNote:
		notes := make([]byte, min(size, maxNotes))
		if n, err := c.file.ReadAt(notes, int64(offset)); err != nil && !(err == io.EOF && n > 0) {
			return err
		}
		c.info = findInfo(notes)
	}
	return nil
}

// findInfo returns the text of the note VMCOREINFO, or "". A note is the sizes
// of its name and text and a type, u32 each, then both, each padded to 4 bytes.
func findInfo(notes []byte) Info {
	for len(notes) >= 12 {
		nameSize := uint64(binary.LittleEndian.Uint32(notes))
		textSize := uint64(binary.LittleEndian.Uint32(notes[4:]))
		text := 12 + (nameSize+3)&^3
		next := text + (textSize+3)&^3
		if next > uint64(len(notes)) {
			break
		}
		if strings.TrimRight(string(notes[12:12+nameSize]), "\x00") == "VMCOREINFO" {
			return Info(notes[text : text+textSize])
		}
		notes = notes[next:]
	}
	return ""
}

// Info is the text of VMCOREINFO: lines KEY=VALUE, such as
//
//	OSRELEASE=6.12.117
//	SYMBOL(_stext)=ffffffff82200000
//	KERNELOFFSET=1200000
type Info string

// Value returns the value of a key.
func (i Info) Value(key string) (string, bool) {
	for line := range strings.Lines(string(i)) {
		if k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "="); k == key {
			return v, true
		}
	}
	return "", false
}

// Symbol returns the address that the running kernel gives for one of the few
// symbols in the note, KASLR included, or 0.
func (i Info) Symbol(name string) uint64 {
	v, _ := i.Value("SYMBOL(" + name + ")")
	addr, _ := strconv.ParseUint(v, 16, 64)
	return addr
}
