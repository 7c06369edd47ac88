package vmlinux

import (
	"bytes"
	"io"
	"testing"

	"ktrap/internal/kallsyms"
)

// edited returns a copy of b, cut, with words changed as a list of edits says,
// each of them a place (3 bytes) and what to change there (8 bytes).
func edited(b []byte, cut uint32, edits []byte) []byte {
	b = bytes.Clone(b)
	b = b[:len(b)-int(cut)%(len(b)-64)]
	for ; len(edits) >= 11; edits = edits[11:] {
		at := int(le.Uint32(edits)&0xffffff) % (len(b) - 7)
		le.PutUint64(b[at:], le.Uint64(b[at:])^le.Uint64(edits[3:]))
	}
	return b
}

func FuzzWhatOpensIsAKernelOrAnError(f *testing.F) {
	x86, arm := sampleELF(), sampleImage()
	var files [][]byte
	for _, name := range everyCompression {
		files = append(files, asBzImage(compressed(f, name, x86), name, len(x86)))
	}
	files = append(files, asZboot(compressed(f, "gzip", arm), "gzip", len(arm)), asUKI(files[6]), compressed(f, "zstd", arm), arm)
	for i := range files {
		f.Add(uint8(i), uint32(0), []byte{})
		f.Add(uint8(i), uint32(0), []byte("\x48\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x50\x08\x00\x01\x00\x00\x00\x00\x00\x00\x00"))
		f.Add(uint8(i), uint32(100), []byte("\x50\x08\x00\x00\x00\x01\x00\x00\x80\x00\x00"))
	}
	f.Fuzz(func(t *testing.T, kind uint8, cut uint32, edits []byte) {
		b := edited(files[int(kind)%len(files)], cut, edits)
		file, err := Open(b)
		if err != nil {
			return
		}
		if kernel, err := file.Vmlinux(); err == nil && len(kernel) > maxRatio*len(b)+1<<20 {
			t.Errorf("%d bytes became %d", len(b), len(kernel))
		}
	})
}

func FuzzWhatParsesCanBeRead(f *testing.F) {
	files := [][]byte{sampleELF(), sampleImage()}
	for i := range files {
		f.Add(uint8(i), uint32(0), []byte{}, uint64(imageBase))
		f.Add(uint8(i), uint32(0), []byte("\x40\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"), uint64(0))
		f.Add(uint8(i), uint32(1<<13), []byte("\x10\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00"), uint64(1<<63))
	}
	f.Fuzz(func(t *testing.T, kind uint8, cut uint32, edits []byte, addr uint64) {
		k, err := Parse(edited(files[int(kind)%len(files)], cut, edits))
		if err != nil {
			return
		}
		k.Banner()
		k.BuildID()
		k.Config()
		k.BTF()
		k.Layout()
		for _, s := range k.Sections() {
			k.Bytes(s.Addr, int(s.Size))
		}
		k.ReadMem(make([]byte, 100), addr)
		k.WithSymbols(io.Discard, func(yield func(kallsyms.Symbol) bool) {
			yield(kallsyms.Symbol{Name: "_etext", Addr: addr, Size: addr, Type: 'T'})
		})
	})
}

func FuzzLZOIsNeverMoreThanItsBlock(f *testing.F) {
	f.Add([]byte{21, 'a', 'b', 'c', 'd', 17, 0, 0}, uint16(4))
	f.Add([]byte{18, 'a', 0x2f, 0, 0, 17, 0, 0}, uint16(18))
	f.Fuzz(func(t *testing.T, src []byte, size uint16) {
		room := make([]byte, int(size)+16)
		lzo1x(room[:size:size], src)
		if !bytes.Equal(room[size:], make([]byte, 16)) {
			t.Errorf("wrote behind the end: % x", room[size:])
		}
	})
}
