package vmlinux

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

const (
	sampleBanner = "Linux version 6.12.0-sample (who@where) #1 SMP"
	sampleConfig = "CONFIG_KPROBES=y\n"
	sampleID     = "000102030405060708090a0b0c0d0e0f10111213"
)

// samplePart is a section of the sample, and a segment of its own.
type samplePart struct {
	name    string
	addr    uint64
	flags   elf.SectionFlag
	content []byte
}

func sampleParts() []samplePart {
	return []samplePart{
		{".text", 0xffffffff81000000, elf.SHF_ALLOC | elf.SHF_EXECINSTR, sampleText()},
		{".rodata", 0xffffffff82000000, elf.SHF_ALLOC, sampleReadOnly()},
		{".notes", 0xffffffff82100000, elf.SHF_ALLOC, sampleNotes()},
		{".BTF", 0xffffffff82101000, elf.SHF_ALLOC, sampleBTF()},
		{".data..percpu", 0, elf.SHF_ALLOC | elf.SHF_WRITE, make([]byte, 4096)},
	}
}

// sampleText has calls, which xz's filter for x86 changes.
func sampleText() (text []byte) {
	for i := range 2000 {
		text = append(text, 0xe8)
		text = le.AppendUint32(text, uint32(i*i%4000*-5))
		text = append(text, byte(i), byte(i>>3), 0x90)
	}
	return text
}

func sampleReadOnly() []byte {
	var config bytes.Buffer
	z, _ := gzip.NewWriterLevel(&config, gzip.NoCompression)
	io.WriteString(z, sampleConfig)
	z.Close()
	b := []byte("%s version %s\x00Linux version %s (%s)\n\x00Linux version 6.12.0-sample (who@where) # SMP\n\x00" + sampleBanner + "\n\x00IKCFG_ST")
	b = append(append(b, config.Bytes()...), "IKCFG_ED"...)
	for i := range 500 {
		b = fmt.Appendf(b, "message %d of a kernel that isn't one\x00", i)
	}
	return b
}

func sampleNotes() []byte {
	notes := []byte("\x06\x00\x00\x00\x04\x00\x00\x00\x00\x01\x00\x00Linux\x00\x00\x00\x01\x02\x03\x04")
	notes = append(notes, "\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00"...)
	for i := range 20 {
		notes = append(notes, byte(i))
	}
	return notes
}

func sampleBTF() []byte {
	const types = 8 << 10
	btf := []byte("\x9f\xeb\x01\x00")
	for _, word := range []uint32{24, 0, types, types, 6} {
		btf = le.AppendUint32(btf, word)
	}
	return append(append(btf, make([]byte, types)...), "\x00inode"[:5]+"\x00"...)
}

// sampleELF is an x86 kernel as Vmlinux gives it.
func sampleELF() []byte {
	parts := sampleParts()
	out := make([]byte, 0x1000)
	var programs, sections []byte
	names := []byte{0}
	sections, _ = binary.Append(sections, le, elf.Section64{})
	for _, p := range parts {
		programs, _ = binary.Append(programs, le, elf.Prog64{Type: uint32(elf.PT_LOAD), Off: uint64(len(out)), Vaddr: p.addr,
			Filesz: uint64(len(p.content)), Memsz: uint64(len(p.content)) + 64})
		sections, _ = binary.Append(sections, le, elf.Section64{Name: uint32(len(names)), Type: uint32(elf.SHT_PROGBITS),
			Flags: uint64(p.flags), Addr: p.addr, Off: uint64(len(out)), Size: uint64(len(p.content))})
		names = append(append(names, p.name...), 0)
		out = append(out, p.content...)
	}
	sections, _ = binary.Append(sections, le, elf.Section64{Name: uint32(len(names)), Type: uint32(elf.SHT_STRTAB),
		Off: uint64(len(out)), Size: uint64(len(names)) + 10})
	out = append(append(out, names...), ".shstrtab\x00"...)
	header, _ := binary.Append(nil, le, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1,
		Phoff: headerSize, Phentsize: programSize, Phnum: uint16(len(parts)), Ehsize: headerSize,
		Shoff: uint64(len(out)), Shentsize: sectionSize, Shnum: uint16(len(parts) + 2), Shstrndx: uint16(len(parts) + 1),
	})
	copy(out, append(header, programs...))
	return append(out, sections...)
}

const imageBase = 0xffff800080000000

// sampleImage is an arm64 kernel: pointers into itself, and relocations, of which
// the last lies across the end of a page.
func sampleImage() []byte {
	out := make([]byte, 64, 1<<20)
	le.PutUint32(out[4:], 0x1441ffff)
	le.PutUint64(out[16:], 2<<20)
	copy(out[56:], "ARM\x64")
	for i := range 12_000 {
		out = le.AppendUint64(out, imageBase+uint64(i*8))
	}
	out = append(out, sampleReadOnly()...)
	for len(out)%0x1000 != 0 {
		out = append(out, 0)
	}
	vdso := make([]byte, 0x800)
	copy(vdso, "\x7fELF")
	le.PutUint64(vdso[0x28:], 0x780)
	copy(vdso[0x200:], "\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00a note of its own")
	out = append(append(append(out, vdso...), sampleNotes()...), sampleBTF()...)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	for i := range uint64(3) {
		out = le.AppendUint64(out, imageBase+0x1000+0x800*i-4*(i/2))
		out = le.AppendUint64(out, 0x403)
		out = le.AppendUint64(out, imageBase+0x10000+i)
	}
	return append(out, make([]byte, 64<<10)...)
}

// compressed compresses b. For bzip2 and lzo, which nothing in Go writes, and xz
// with the filter for x86, that was done by these programs for sampleELF:
//
//	bzip2 -9    lzop -9    xz --check=crc32 --x86 --lzma2=dict=1MiB
func compressed(t testing.TB, name string, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch name {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	case "xz":
		w, err = xz.NewWriter(&out)
	case "lzma":
		w, err = lzma.WriterConfig{SizeInHeader: true, Size: int64(len(b))}.NewWriter(&out)
	case "lz4":
		return legacyLZ4(t, b)
	default:
		packed, err := os.ReadFile("testdata/sample." + name)
		if err != nil || !bytes.Equal(b, sampleELF()) {
			t.Fatalf("no %s of this is there (%v)", name, err)
		}
		return packed
	}
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func legacyLZ4(t testing.TB, b []byte) []byte {
	out := []byte(lz4Magic)
	for len(b) > 0 {
		n := min(len(b), lz4Block)
		block := make([]byte, lz4.CompressBlockBound(n))
		size, err := lz4.CompressBlock(b[:n], block, nil)
		if err != nil || size == 0 {
			t.Fatalf("compress %d bytes to %d: %v", n, size, err)
		}
		out = append(le.AppendUint32(out, uint32(size)), block[:size]...)
		b = b[n:]
	}
	return out
}

// asBzImage wraps what unpacks to size bytes as x86 does.
func asBzImage(payload []byte, compression string, size int) []byte {
	const setup, offset = 3, 0x40
	out := make([]byte, (setup+1)*sector+offset)
	out[0x1f1] = setup
	le.PutUint16(out[0x1fe:], 0xaa55)
	copy(out[0x202:], "HdrS")
	le.PutUint16(out[0x206:], 0x20f)
	le.PutUint16(out[0x20e:], 0x300)
	copy(out[0x500:], "6.12.0-sample (who@where) #1 SMP\x00")
	le.PutUint16(out[0x236:], 1)
	le.PutUint32(out[0x248:], offset)
	if compression != "gzip" && compression != "none" {
		payload = le.AppendUint32(bytes.Clone(payload), uint32(size))
	}
	le.PutUint32(out[0x24c:], uint32(len(payload)))
	return append(append(out, payload...), "and the signature"...)
}

// asEFI makes the headers of an EFI program for a machine.
func asEFI(machine uint16, size int) []byte {
	out := make([]byte, size)
	copy(out, "MZ")
	le.PutUint32(out[0x3c:], 0x40)
	copy(out[0x40:], "PE\x00\x00")
	le.PutUint16(out[0x44:], machine)
	return out
}

func asZboot(payload []byte, compression string, size int) []byte {
	out := asEFI(0xaa64, 0x200)
	copy(out[4:], "zimg")
	le.PutUint32(out[8:], uint32(len(out)))
	le.PutUint32(out[12:], uint32(len(payload)))
	copy(out[24:], compression)
	out = append(out, payload...)
	if compression != "gzip" {
		out = le.AppendUint32(out, uint32(size))
	}
	return append(out, make([]byte, 100)...)
}

func asUKI(kernel []byte) []byte {
	out := asEFI(0x8664, 0x200)
	le.PutUint16(out[0x46:], 2)
	at := 0x40 + 24
	copy(out[at:], ".cmdline")
	copy(out[at+40:], ".linux")
	le.PutUint32(out[at+48:], uint32(len(kernel)))
	le.PutUint32(out[at+56:], uint32(len(kernel)+100)) // padded
	le.PutUint32(out[at+60:], uint32(len(out)))
	return append(append(out, kernel...), make([]byte, 100)...)
}
