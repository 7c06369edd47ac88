// Package vmlinux opens kernel images: it unpacks what a boot loader is given,
// and lays the kernel in it out at the addresses it was linked for. It is given
// bytes and fetches nothing. What lies where is read from headers, never guessed
// from magic numbers on the way: compressed data are full of those, and with LZ4
// even of the kernel's banner.
//
//	Open         vmlinuz ─ header → File: container, compression, where the payload lies
//	File.Vmlinux payload ─ unpacked → an ELF file (x86) or a flat Image (arm64)
//	Parse        that    ─ laid out → Kernel: memory by address, sections, symbols' tables
//	WithSymbols  that and its symbols → an ELF file that objdump, gdb and perf know names in
//
// What it is given may be truncated or a lie: it answers with an error then. Of
// memory it takes at most MaxSize, at most 64 times what it was given, and 128 MB
// for what unpacks it.
package vmlinux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A File is a kernel image as it is stored.
type File struct {
	// Container is how it is wrapped: "bzImage", "zboot", "Image", "ELF", for a
	// compressed file the compression's name; "UKI: bzImage" in a unified image.
	Container string
	// Arch is a GOARCH, or "" where only the kernel inside can tell.
	Arch string
	// Compression is "none" or the compression's name.
	Compression string
	// Release and Build are what a bzImage's header says: `uname -r`, and who
	// built it when; "" in other containers.
	Release, Build string

	payload []byte
	size    uint32 // of the payload once unpacked, or 0 if nothing tells
}

// Open reads the header of a kernel image. b is kept.
func Open(b []byte) (*File, error) {
	name, open := containerOf(b)
	f, err := open(b)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return f, nil
}

// containerOf knows a container by its header. All but an ELF file may be EFI
// programs too, so the more special come first.
func containerOf(b []byte) (name string, open func([]byte) (*File, error)) {
	switch {
	case isELF(b):
		return "ELF file", openELF
	case isBzImage(b):
		return "bzImage", openBzImage
	case isZboot(b):
		return "zboot image", openZboot
	case isImage(b):
		return "Image", openImage
	case isPE(b):
		return "EFI program", openUKI
	}
	return "kernel image", openCompressed
}

// openCompressed opens what is compressed as a whole: Image.gz and its like.
func openCompressed(b []byte) (*File, error) {
	name := compressionOf(b)
	if name == "" {
		return nil, fmt.Errorf("this is none: it begins with % x", b[:min(8, len(b))])
	}
	return &File{Container: name, Compression: name, payload: b, size: trailer(name, b)}, nil
}

// Vmlinux unpacks the kernel: an ELF file, or a flat Image of arm64. Where
// nothing is compressed it is a part of what Open was given.
func (f *File) Vmlinux() ([]byte, error) {
	kernel := f.payload
	if f.Compression != "none" {
		var err error
		if kernel, err = decompress(f.Compression, f.payload, f.size); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", f.Container, err)
		}
	}
	if !isELF(kernel) && !isImage(kernel) {
		return nil, fmt.Errorf("unpack %s: no kernel is in it: the content begins with % x", f.Container, kernel[:min(8, len(kernel))])
	}
	return kernel, nil
}

func isELF(b []byte) bool { return bytes.HasPrefix(b, []byte("\x7fELF")) }

func openELF(b []byte) (*File, error) {
	if len(b) < 64 {
		return nil, errTruncated
	}
	return &File{Container: "ELF", Arch: elfArch(b), Compression: "none", payload: b}, nil
}

var errTruncated = errors.New("the file is truncated")

// elfArch returns the GOARCH of an ELF header, or "" for one not known here.
func elfArch(b []byte) string {
	const class64, little = 2, 1
	if b[4] != class64 || b[5] != little {
		return ""
	}
	return map[uint16]string{62: "amd64", 183: "arm64", 243: "riscv64", 258: "loong64"}[binary.LittleEndian.Uint16(b[18:])]
}
