package vmlinux

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"math"

	"compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/ulikunitz/xz/lzma"
)

// MaxSize is the most that a kernel may have once unpacked. The largest that
// distributions build have 100 MB.
const MaxSize = 512 << 20

const (
	// maxRatio is how much smaller than itself a compressed kernel may be; they
	// are 4 to 7 times. It ties the memory that a hostile file can take to its
	// own size.
	maxRatio = 64
	// maxDict bounds the dictionaries of xz, lzma and zstd, whose highest level
	// (-22, as kernels are packed) takes so much.
	maxDict = 128 << 20
)

// A compression is known by how its data begin.
type compression struct {
	name, magic string
	// unpack appends what is in data to dst, never beyond its capacity.
	unpack func(dst, data []byte) ([]byte, error)
}

var compressions = []compression{
	{"gzip", "\x1f\x8b\x08", stream(func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) })},
	{"bzip2", "BZh", stream(func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil })},
	{"lzma", "\x5d\x00\x00", stream(func(r io.Reader) (io.Reader, error) { return lzma.ReaderConfig{DictCap: maxDict}.NewReader(r) })},
	{"xz", "\xfd7zXZ\x00", stream(func(r io.Reader) (io.Reader, error) { return xz.NewReader(r, maxDict) })},
	{"lzo", lzopMagic, unpackLzop},
	{"lz4", lz4Magic, unpackLZ4},
	{"zstd", "\x28\xb5\x2f\xfd", unpackZstd},
}

// compressionOf names the compression of data, or "".
func compressionOf(data []byte) string {
	for _, c := range compressions {
		if bytes.HasPrefix(data, []byte(c.magic)) {
			return c.name
		}
	}
	return ""
}

// trailer returns the size that a format of its own accord ends with, or 0.
func trailer(name string, data []byte) uint32 {
	if name != "gzip" || len(data) < 4 {
		return 0
	}
	return le.Uint32(data[len(data)-4:])
}

// decompress unpacks data into size bytes, or as many as there are if size is 0.
func decompress(name string, data []byte, size uint32) ([]byte, error) {
	bound := min(MaxSize, maxRatio*len(data)+1<<20)
	if int64(size) > int64(bound) {
		return nil, fmt.Errorf("%d bytes of %s are said to unpack to %d: %w", len(data), name, size, errBomb)
	}
	if size != 0 {
		bound = int(size)
	}
	for _, c := range compressions {
		if c.name != name {
			continue
		}
		kernel, err := c.unpack(make([]byte, 0, bound), data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if size != 0 && len(kernel) != int(size) {
			return nil, fmt.Errorf("%s: %d bytes came out, the header says %d: %w", name, len(kernel), size, errTruncated)
		}
		return kernel, nil
	}
	return nil, fmt.Errorf("compression %q is not known", name)
}

var errBomb = errors.New("no kernel does that")

// stream makes an unpack out of a reader of the format.
func stream(open func(io.Reader) (io.Reader, error)) func(dst, data []byte) ([]byte, error) {
	return func(dst, data []byte) ([]byte, error) {
		r, err := open(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		n, err := io.ReadFull(r, dst[:cap(dst)])
		if err == io.ErrUnexpectedEOF || err == io.EOF {
			return dst[:n], nil
		}
		if err == nil {
			err = atEnd(r)
		}
		return dst[:n], err
	}
}

// atEnd says whether a reader has no more to give.
func atEnd(r io.Reader) error {
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n != 0:
		return errTooLong
	case err != io.EOF:
		return err
	}
	return nil
}

var errTooLong = errors.New("more comes out than the header says")

func unpackZstd(dst, data []byte) ([]byte, error) {
	// One at a time, the decoder writes straight into dst, without a window.
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
		zstd.WithDecoderMaxMemory(math.MaxInt32), zstd.WithDecoderMaxWindow(maxDict))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.DecodeAll(data, dst)
}
