package vmlinux

import (
	"errors"
	"fmt"

	"github.com/pierrec/lz4/v4"
)

// The legacy format is all that kernels use: blocks of 8 MB, each for itself.
//
//	magic u32, then of every block: size u32, data
const (
	lz4Magic = "\x02\x21\x4c\x18"
	lz4Block = 8 << 20
)

// unpackLZ4 does a block at a time: the library's reader of streams takes five
// times as long (60 ms for 6.12's 57 MB, this 13).
func unpackLZ4(dst, data []byte) ([]byte, error) {
	for data = data[len(lz4Magic):]; len(data) >= 4; {
		size := le.Uint32(data)
		data = data[4:]
		if string(le.AppendUint32(nil, size)) == lz4Magic { // another stream behind the first
			continue
		}
		block, err := part(data, "block", 0, uint64(size))
		if err != nil {
			return nil, err
		}
		data = data[size:]
		n, err := lz4.UncompressBlock(block, dst[len(dst):min(len(dst)+lz4Block, cap(dst))])
		if err != nil {
			return nil, fmt.Errorf("the block that unpacks to %#x: %w", len(dst), err)
		}
		dst = dst[:len(dst)+n]
	}
	if len(data) != 0 {
		return nil, errors.New("a block's size is cut off")
	}
	return dst, nil
}
