package stream

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// A ring record is a header of 8 bytes and its data, padded to 8 bytes. The
// header's first word is the data's length with two flags on top.
const (
	recordHeader = 8
	busyBit      = 1 << 31 // reserved and not yet submitted
	discardBit   = 1 << 30 // given up: nothing in it
)

// Ring is the reading end of a BPF ring buffer map. Unlike the library's reader
// it moves whole runs of records at once, and maps the data once instead of
// twice, so that a buffer of n bytes counts n bytes of the process's memory.
// One goroutine at a time may read.
type Ring struct {
	meta     [2][]byte // the pages of the consumer's and the producer's position
	consumer *uint64
	producer *uint64
	data     []byte
}

// OpenRing maps m, a ring buffer. Linux 5.8 and later.
func OpenRing(m *ebpf.Map) (*Ring, error) {
	page := os.Getpagesize()
	r := new(Ring)
	for i, prot := range []int{unix.PROT_READ | unix.PROT_WRITE, unix.PROT_READ} {
		b, err := unix.Mmap(m.FD(), int64(i*page), page, prot, unix.MAP_SHARED)
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("map the ring buffer's positions: %w", err)
		}
		r.meta[i] = b
	}
	data, err := unix.Mmap(m.FD(), int64(2*page), int(m.MaxEntries()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("map the ring buffer's data: %w", err)
	}
	r.data = data
	r.consumer = (*uint64)(unsafe.Pointer(&r.meta[0][0]))
	r.producer = (*uint64)(unsafe.Pointer(&r.meta[1][0]))
	return r, nil
}

// Close unmaps the buffer.
func (r *Ring) Close() error {
	for _, b := range [][]byte{r.meta[0], r.meta[1], r.data} {
		if b != nil {
			unix.Munmap(b)
		}
	}
	return nil
}

// Drain appends to dst the submitted records, with their headers, as far as its
// capacity allows, and frees their room in the ring.
func (r *Ring) Drain(dst []byte) []byte {
	mask := uint64(len(r.data) - 1)
	start := atomic.LoadUint64(r.consumer)
	end := atomic.LoadUint64(r.producer)
	limit := start + uint64(cap(dst)-len(dst))
	pos := start
	for pos < end {
		header := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.data[pos&mask])))
		next := pos + span(header)
		if header&busyBit != 0 || next > limit {
			break
		}
		pos = next
	}
	from, to := start&mask, pos&mask
	switch {
	case pos == start:
		return dst
	case from < to:
		dst = append(dst, r.data[from:to]...)
	default:
		dst = append(dst, r.data[from:]...)
		dst = append(dst, r.data[:to]...)
	}
	atomic.StoreUint64(r.consumer, pos)
	return dst
}

// span is how many bytes of the ring a record takes.
func span(header uint32) uint64 {
	length := uint64(header &^ (busyBit | discardBit))
	return (length + recordHeader + 7) &^ 7
}
