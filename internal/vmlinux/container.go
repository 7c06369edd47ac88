package vmlinux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

var le = binary.LittleEndian

// part cuts a part out of a file by offset and size, which may be anything.
func part(b []byte, what string, offset, size uint64) ([]byte, error) {
	if end := offset + size; end < offset || end > uint64(len(b)) {
		return nil, fmt.Errorf("the header says that the %s lies from %#x to %#x, but the file ends at %#x: %w", what, offset, end, len(b), errTruncated)
	}
	return b[offset : offset+size], nil
}

// A bzImage is of x86 (Documentation/arch/x86/boot.rst):
//
//	0x1f1 setup_sects u8  0x1fe aa55  0x202 "HdrS"  0x206 version u16
//	0x20e kernel_version u16  0x236 xloadflags u16
//	0x248 payload_offset u32  0x24c payload_length u32
//
// Both the payload's offset and the version's are short of a few sectors. The
// last four bytes of the payload are its size unpacked.
func isBzImage(b []byte) bool {
	return len(b) >= 0x206 && le.Uint16(b[0x1fe:]) == 0xaa55 && string(b[0x202:0x206]) == "HdrS"
}

const sector = 512

func openBzImage(b []byte) (*File, error) {
	if len(b) < 0x250 {
		return nil, errTruncated
	}
	version := le.Uint16(b[0x206:])
	if version < 0x208 {
		return nil, fmt.Errorf("boot protocol %d.%d does not say where the kernel lies (it needs 2.8: Linux 2.6.26)", version>>8, version&0xff)
	}
	setup := uint64(b[0x1f1])
	if setup == 0 {
		setup = 4
	}
	start := (setup+1)*sector + uint64(le.Uint32(b[0x248:]))
	payload, err := part(b, "kernel", start, uint64(le.Uint32(b[0x24c:])))
	if err != nil {
		return nil, err
	}
	f := &File{Container: "bzImage", payload: payload}
	if err := f.compressed(compressionOf(payload)); err != nil {
		return nil, err
	}
	if f.Compression != "gzip" && f.Compression != "none" { // gzip's own last bytes are the size
		f.payload = payload[:len(payload)-4]
	}
	if version >= 0x20c {
		f.Arch = map[bool]string{true: "amd64", false: "386"}[le.Uint16(b[0x236:])&1 != 0]
	}
	if at := le.Uint16(b[0x20e:]); at != 0 {
		text, _, _ := bytes.Cut(b[min(int(at)+sector, len(b)):min(int(at)+2*sector, len(b))], []byte{0})
		f.Release, f.Build, _ = strings.Cut(string(text), " ")
	}
	return f, nil
}

// compressed notes the payload's compression and takes the size from its end.
func (f *File) compressed(name string) error {
	f.Compression = name
	switch {
	case isELF(f.payload):
		f.Compression = "none"
	case name == "":
		return fmt.Errorf("the compression is not known: the kernel begins with % x", f.payload[:min(8, len(f.payload))])
	case len(f.payload) < 16:
		return errTruncated
	default:
		f.size = le.Uint32(f.payload[len(f.payload)-4:])
	}
	return nil
}

// An EFI zboot image (drivers/firmware/efi/libstub/zboot-header.S) is an EFI
// program around a compressed Image:
//
//	0 "MZ"  4 "zimg"  8 offset u32  12 size u32  24 name of the compression, ended by 0
//
// Four bytes behind the payload are its size unpacked; gzip has it at its end.
func isZboot(b []byte) bool {
	return len(b) >= 8 && string(b[:2]) == "MZ" && string(b[4:8]) == "zimg"
}

func openZboot(b []byte) (*File, error) {
	if len(b) < 64 {
		return nil, errTruncated
	}
	name, _, _ := strings.Cut(string(b[24:56]), "\x00")
	// The names are of the kernel's own rules: zstd22 for its level, xzkern.
	name = strings.TrimSuffix(strings.TrimSuffix(name, "22"), "kern")
	start, size := uint64(le.Uint32(b[8:])), uint64(le.Uint32(b[12:]))
	payload, err := part(b, "kernel", start, size)
	if err != nil {
		return nil, err
	}
	if found := compressionOf(payload); found != name {
		return nil, fmt.Errorf("the header says that the kernel is compressed by %q, but it begins with % x", name, payload[:min(8, len(payload))])
	}
	f := &File{Container: "zboot", Arch: peArch(b), Compression: name, payload: payload, size: trailer(name, payload)}
	if behind := b[start+size:]; name != "gzip" && len(behind) >= 4 {
		f.size = le.Uint32(behind)
	}
	return f, nil
}

// An Image is a flat kernel of arm64 (Documentation/arch/arm64/booting.rst):
//
//	0 two instructions  8 text_offset u64  16 image_size u64  24 flags u64  56 "ARM\x64"
func isImage(b []byte) bool { return len(b) >= 64 && string(b[56:60]) == "ARM\x64" }

func openImage(b []byte) (*File, error) {
	return &File{Container: "Image", Arch: "arm64", Compression: "none", payload: b}, nil
}

// A unified kernel image is an EFI program with the kernel in its section .linux.
func isPE(b []byte) bool { return len(b) >= 64 && string(b[:2]) == "MZ" && peHeader(b) != nil }

// peHeader returns the file from its PE header on, or nil.
func peHeader(b []byte) []byte {
	at := uint64(le.Uint32(b[0x3c:]))
	if at+24 > uint64(len(b)) || string(b[at:at+4]) != "PE\x00\x00" {
		return nil
	}
	return b[at:]
}

func peArch(b []byte) string {
	pe := peHeader(b)
	if pe == nil {
		return ""
	}
	return map[uint16]string{0x8664: "amd64", 0xaa64: "arm64", 0x5064: "riscv64", 0x6264: "loong64"}[le.Uint16(pe[4:])]
}

func openUKI(b []byte) (*File, error) {
	pe := peHeader(b)
	sections, headers := int(le.Uint16(pe[6:])), pe[min(24+int(le.Uint16(pe[20:])), len(pe)):]
	for ; sections > 0 && len(headers) >= 40; sections-- {
		if name := string(bytes.TrimRight(headers[:8], "\x00")); name == ".linux" {
			return openSection(b, headers)
		}
		headers = headers[40:]
	}
	return nil, errors.New("an EFI program without a kernel: it has no section .linux")
}

func openSection(b, header []byte) (*File, error) {
	size := min(le.Uint32(header[8:]), le.Uint32(header[16:])) // in memory, in the file
	linux, err := part(b, "section .linux", uint64(le.Uint32(header[20:])), uint64(size))
	if err != nil {
		return nil, err
	}
	if isPE(linux) && !isBzImage(linux) && !isZboot(linux) && !isImage(linux) {
		return nil, errors.New("its section .linux holds an EFI program that is no kernel")
	}
	f, err := Open(linux)
	if err != nil {
		return nil, err
	}
	f.Container = "UKI: " + f.Container
	return f, nil
}
