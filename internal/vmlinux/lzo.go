package vmlinux

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"hash/crc32"
)

// lzop's format, big-endian, as its own lzop.c writes it:
//
//	magic, version u16, library u16, needed u16, method u8, level u8, flags u32,
//	[filter u32,] mode u32, mtime u32, mtime u32, name (u8 of length), checksum u32,
//	then of every block: size unpacked u32, size u32, checksums u32, data; 0 u32
//
// A block that did not get smaller is stored.
const lzopMagic = "\x89LZO\x00\r\n\x1a\n"

const (
	lzopAdler       = 1 << 0 // of what comes out
	lzopAdlerPacked = 1 << 1
	lzopCRC         = 1 << 8
	lzopCRCPacked   = 1 << 9
	lzopFilter      = 1 << 11
)

// A lzop reads a file of that format. After the first error it reads zeros.
type lzop struct {
	data []byte
	err  error
}

func (z *lzop) take(n uint32) []byte {
	if z.err == nil && uint64(n) > uint64(len(z.data)) {
		z.err = errTruncated
	}
	if z.err != nil {
		return make([]byte, min(n, 4))
	}
	taken := z.data[:n]
	z.data = z.data[n:]
	return taken
}

func (z *lzop) uint32() uint32 { return binary.BigEndian.Uint32(z.take(4)) }

// header reads up to the first block.
func (z *lzop) header() (flags uint32) {
	z.take(uint32(len(lzopMagic)))
	version := binary.BigEndian.Uint32(z.take(4)) >> 16
	if version < 0x940 && z.err == nil {
		z.err = fmt.Errorf("written by version %#x of lzop; 0x940 is the oldest known here", version)
	}
	z.take(2 + 2)
	flags = z.uint32()
	if flags&lzopFilter != 0 && z.err == nil {
		z.err = errors.New("a filter was used")
	}
	z.take(12)
	z.take(uint32(z.take(1)[0]))
	z.take(4)
	return flags
}

func unpackLzop(dst, data []byte) ([]byte, error) {
	z := &lzop{data: data}
	flags := z.header()
	for z.err == nil {
		size := z.uint32()
		if size == 0 {
			break
		}
		dst = z.block(dst, size, flags)
	}
	return dst, z.err
}

// block appends a block that unpacks to size bytes.
func (z *lzop) block(dst []byte, size, flags uint32) []byte {
	packed := z.uint32()
	var adler, crc uint32
	if flags&lzopAdler != 0 {
		adler = z.uint32()
	}
	if flags&lzopCRC != 0 {
		crc = z.uint32()
	}
	if packed < size {
		z.take(4 * (flags&lzopAdlerPacked/lzopAdlerPacked + flags&lzopCRCPacked/lzopCRCPacked))
	}
	src := z.take(packed)
	if z.err == nil && uint64(size) > uint64(cap(dst)-len(dst)) {
		z.err = errTooLong
	}
	if z.err != nil {
		return dst
	}
	out := dst[len(dst) : len(dst)+int(size)]
	if packed < size {
		z.err = lzo1x(out, src)
	} else if copy(out, src) < len(src) {
		z.err = errLZO
	}
	switch {
	case z.err != nil:
	case flags&lzopAdler != 0 && adler32.Checksum(out) != adler, flags&lzopCRC != 0 && crc32.ChecksumIEEE(out) != crc:
		z.err = fmt.Errorf("the block that unpacks to %#x: the checksum is wrong", len(dst))
	}
	return dst[:len(dst)+int(size)]
}

var errLZO = errors.New("the data are damaged")

// lzo1x unpacks src, which must fill out to the last byte.
//
// The stream is of literals and of matches, which repeat what came out before;
// the first byte of each, its tag, tells which (Documentation/staging/lzo.rst).
// A match's two lowest bits say how many literals follow without a tag, and what
// a small tag means depends on how many did.
func lzo1x(out, src []byte) error {
	u := unLZO{in: src, out: out}
	if u.first(); u.bad {
		return errLZO
	}
	for !u.done {
		if u.step(); u.bad {
			return errLZO
		}
	}
	if u.at != len(out) {
		return errLZO
	}
	return nil
}

type unLZO struct {
	in, out []byte
	at      int // in out
	run     int // literals just copied: 0 to 3, or 4 for a run with a tag of its own
	done    bool
	bad     bool
}

func (u *unLZO) byte() int {
	if len(u.in) == 0 {
		u.bad = true
		return 0
	}
	b := u.in[0]
	u.in = u.in[1:]
	return int(b)
}

// first takes the literals that a stream may begin with.
func (u *unLZO) first() {
	if len(u.in) == 0 || u.in[0] <= 17 {
		return
	}
	n := u.byte() - 17
	u.literals(n)
	u.run = min(n, 4)
}

func (u *unLZO) step() {
	switch tag := u.byte(); {
	case tag >= 64:
		u.match(1+tag>>2&7+u.byte()<<3, 1+tag>>5, tag)
	case tag >= 32:
		n := u.length(tag, 31)
		low := u.byte()
		u.match(1+(low|u.byte()<<8)>>2, 2+n, low)
	case tag >= 16:
		n := u.length(tag, 7)
		low := u.byte()
		back := tag&8<<11 | (low|u.byte()<<8)>>2
		if u.done = back == 0; !u.done {
			u.match(1<<14+back, 2+n, low)
		}
	case u.run == 0:
		u.literals(3 + u.length(tag, 15))
		u.run = 4
	case u.run == 4:
		u.match(1+1<<11+tag>>2+u.byte()<<2, 3, tag)
	default:
		u.match(1+tag>>2+u.byte()<<2, 2, tag)
	}
}

// length returns the tag's lowest bits, or if they are 0 what follows it: mask,
// 255 for every zero byte, and another byte.
func (u *unLZO) length(tag, mask int) int {
	if tag&mask != 0 {
		return tag & mask
	}
	n := mask
	for len(u.in) > 0 && u.in[0] == 0 {
		n += 255
		u.in = u.in[1:]
	}
	return n + u.byte()
}

func (u *unLZO) literals(n int) {
	if u.bad || n > len(u.in) || n > len(u.out)-u.at {
		u.bad = true
		return
	}
	u.at += copy(u.out[u.at:], u.in[:n])
	u.in = u.in[n:]
}

// match repeats n bytes from back bytes before, and then takes literals.
func (u *unLZO) match(back, n, tail int) {
	if u.bad || back > u.at || n > len(u.out)-u.at {
		u.bad = true
		return
	}
	for end := u.at + n; u.at < end; {
		// What was just written may be repeated at once.
		u.at += copy(u.out[u.at:end], u.out[u.at-back:u.at])
	}
	u.run = tail & 3
	u.literals(u.run)
}
