package vmlinux

import (
	"bytes"
	"encoding/hex"
	"io"
	"strings"

	"compress/gzip"
)

// Banner returns the line that the kernel greets with: "Linux version 6.12…".
func (k *Kernel) Banner() string {
	const start, end = "Linux version ", "\n\x00"
	found := ""
	for text := range k.places(start, ".rodata") {
		line, _, ended := bytes.Cut(text[:min(len(text), 1024)], []byte(end))
		// The format that /proc/version is printed by begins alike.
		if !ended || len(line) == len(start) || !isDigit(line[len(start)]) {
			continue
		}
		// 2df8220cc511, in 6.1: a banner without a number ("# SMP") is there too,
		// for when the kernel is linked the first time.
		_, number, _ := bytes.Cut(line, []byte(" #"))
		if found = string(line); len(number) > 0 && isDigit(number[0]) {
			break
		}
	}
	return found
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// Release returns what `uname -r` says on this kernel.
func (k *Kernel) Release() string {
	if words := strings.Fields(k.Banner()); len(words) > 2 {
		return words[2]
	}
	return ""
}

// Config returns the kernel's configuration if it was built in (IKCONFIG).
func (k *Kernel) Config() ([]byte, bool) {
	const start, maxConfig = "IKCFG_ST", 4 << 20
	for text := range k.places(start+"\x1f\x8b", ".rodata") {
		r, err := gzip.NewReader(bytes.NewReader(text[len(start):]))
		if err != nil {
			continue
		}
		r.Multistream(false)
		if config, err := io.ReadAll(io.LimitReader(r, maxConfig)); err == nil {
			return config, true
		}
	}
	return nil, false
}

// BTF returns the kernel's description of its types, or nil.
func (k *Kernel) BTF() []byte {
	if s, ok := k.Section(".BTF"); ok {
		return s.data
	}
	for text := range k.places("\x9f\xeb\x01\x00", ".rodata") {
		if size := sizeOfBTF(text); size != 0 {
			return text[:size]
		}
	}
	return nil
}

// sizeOfBTF returns the size of what begins like BTF, or 0 if it is none: types
// at the start, strings behind them, of which the first is empty and the last
// ends the whole.
//
//	magic u16  version u8  flags u8  hdr_len u32  type_off type_len str_off str_len u32
func sizeOfBTF(b []byte) int {
	const leastTypes = 4 << 10 // a flat Image may also hold a test's BTF
	if len(b) < 24 {
		return 0
	}
	header, typeOff, typeLen, strOff, strLen := uint64(le.Uint32(b[4:])), le.Uint32(b[8:]), le.Uint32(b[12:]), uint64(le.Uint32(b[16:])), uint64(le.Uint32(b[20:]))
	size := header + strOff + strLen
	if header < 24 || header > 256 || typeOff != 0 || typeLen < leastTypes || strOff < uint64(typeLen) || strLen == 0 || size > uint64(len(b)) {
		return 0
	}
	if b[header+strOff] != 0 || b[size-1] != 0 {
		return 0
	}
	return int(size)
}

// BuildID returns the linker's mark of this build in hex, or "".
func (k *Kernel) BuildID() string {
	if s, ok := k.Section(".notes"); ok {
		return buildID(s.data)
	}
	const note = "\x04\x00\x00\x00\x14\x00\x00\x00\x03\x00\x00\x00GNU\x00"
	for text := range k.places(note, ".notes") {
		if id := buildID(text[:min(len(text), 64)]); id != "" && !k.inVDSO(text) {
			return id
		}
	}
	return ""
}

// buildID looks for the note of that type among notes:
//
//	size of name u32, of content u32, type u32, name and content, each filled up to 4
func buildID(notes []byte) string {
	const gnuBuildID = 3
	for len(notes) >= 12 {
		name, size := uint64(le.Uint32(notes)), uint64(le.Uint32(notes[4:]))
		content := 12 + (name+3)&^3
		end := content + (size+3)&^3
		if end > uint64(len(notes)) {
			break
		}
		if le.Uint32(notes[8:]) == gnuBuildID && name == 4 && string(notes[12:15]) == "GNU" {
			return hex.EncodeToString(notes[content : content+size])
		}
		notes = notes[end:]
	}
	return ""
}

// inVDSO says whether text, of a flat Image, lies in an ELF file inside it: a
// vDSO, which has a build id of its own near its start.
func (k *Kernel) inVDSO(text []byte) bool {
	const page, most = 4 << 10, 64 << 10
	at := len(k.data) - len(text)
	for start := at &^ (page - 1); start >= max(0, at-most); start -= page {
		if isELF(k.data[start:]) && start+64 <= len(k.data) {
			sections := le.Uint64(k.data[start+0x28:])
			return sections > uint64(at-start)
		}
	}
	return false
}

// places yields what begins with a text, in the section of that name or, where
// there are no sections, anywhere.
func (k *Kernel) places(text, section string) func(yield func([]byte) bool) {
	data := k.data
	if s, ok := k.Section(section); ok {
		data = s.data
	}
	return func(yield func([]byte) bool) {
		for {
			at := bytes.Index(data, []byte(text))
			if at < 0 || !yield(data[at:]) {
				return
			}
			data = data[at+1:]
		}
	}
}
