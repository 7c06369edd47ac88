// Package stream brings records from the kernel to the reader. A goroutine
// drains their source into memory as fast as the kernel fills it and does
// nothing else; records are decoded when the reader asks for the next one, so
// that a burst is not lost to slow printing. The memory is bounded: when it is
// full the source is left to fill, and the kernel's side counts what finds no
// room. It never drops a record that it has taken out of the source.
package stream

import (
	"context"
	"encoding/binary"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const chunkSize = 256 << 10 // bytes moved at once; a record is far smaller

// burst is from how many bytes on, moved at once, the drainer looks again without
// a pause. Less would let it run after each record, and hit a traced read that is
// its own each time.
const burst = 64 << 10

// Pauses of the drainer while the source is empty: short after a record came,
// doubled up to the longest one in silence.
const (
	shortPause = time.Millisecond
	longPause  = 16 * time.Millisecond
)

// Source is where records come from: a Ring, or what can pass for one.
type Source interface {
	// Drain appends to dst records as a ring buffer holds them, as far as its
	// capacity allows, in the order in which they are to be read. It does not
	// wait for any.
	Drain(dst []byte) []byte
	Close() error
}

// Stream hands the records of one source to one reader.
type Stream struct {
	source Source
	limit  int           // chunks that may exist
	stop   chan struct{} // closed: drain once more, then end
	once   sync.Once
	ready  signal        // a chunk came into the queue
	room   signal        // a chunk came back
	ended  chan struct{} // closed: nothing comes into the queue any more
	done   sync.WaitGroup

	mu    sync.Mutex
	made  int
	queue [][]byte // drained and unread, oldest first; the last still takes more
	free  [][]byte
}

// signal wakes one waiter, now or when it comes to wait.
type signal chan struct{}

func (s signal) send() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// Start begins to drain source, keeping at most bound bytes in memory.
func Start(source Source, bound int) *Stream {
	s := &Stream{
		source: source,
		limit:  max(2, bound/chunkSize),
		stop:   make(chan struct{}),
		ready:  make(signal, 1),
		room:   make(signal, 1),
		ended:  make(chan struct{}),
	}
	s.done.Go(s.drain)
	return s
}

// drain runs on a thread of its own with the highest priority that it gets: it
// works for microseconds at a time, and a late drain is a lost record.
func (s *Stream) drain() {
	runtime.LockOSThread()
	unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
	pause := shortPause
	for {
		stopping := s.stopping()
		moved, full := s.fill()
		if moved > 0 {
			pause = shortPause
			s.ready.send()
		}
		switch {
		case moved >= burst, moved > 0 && stopping:
		case moved > 0:
			sleep(pause)
		case full:
			<-s.room
		case stopping:
			close(s.ended)
			return
		default:
			sleep(pause)
			pause = min(2*pause, longPause)
		}
	}
}

// fill moves records into the youngest chunk, or into a new one when that has no
// room for the next record, and says how many bytes; full says that no chunk may
// be made.
func (s *Stream) fill() (moved int, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.queue) - 1; last >= 0 {
		before := len(s.queue[last])
		s.queue[last] = s.source.Drain(s.queue[last])
		if moved = len(s.queue[last]) - before; moved > 0 {
			return moved, false
		}
	}
	chunk := s.chunk()
	if chunk == nil {
		return 0, true
	}
	if chunk = s.source.Drain(chunk); len(chunk) == 0 {
		s.free = append(s.free, chunk)
		return 0, false
	}
	s.queue = append(s.queue, chunk)
	return len(chunk), false
}

// chunk returns an empty chunk, or nil if as many exist as may.
func (s *Stream) chunk() []byte {
	if last := len(s.free) - 1; last >= 0 {
		chunk := s.free[last]
		s.free = s.free[:last]
		return chunk
	}
	if s.made == s.limit {
		return nil
	}
	s.made++
	return make([]byte, 0, chunkSize)
}

func (s *Stream) stopping() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// sleep sleeps in the kernel, on this thread: a timer of the scheduler's would
// first have to run on another thread, which has no priority.
func sleep(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	// Waking early does no harm.
	_ = unix.Nanosleep(&ts, nil)
}

// Stop ends the stream once what the source holds now has been drained. Call it
// when nothing writes to the source any more.
func (s *Stream) Stop() { s.once.Do(func() { close(s.stop) }) }

// Close stops the stream, throws away what nobody read, says how many records
// that were, and closes the source.
func (s *Stream) Close() (unread uint64) {
	s.Stop()
	for {
		batch, more := s.Next(context.Background())
		if !more {
			break
		}
		for range batch {
			unread++
		}
	}
	s.done.Wait()
	s.source.Close()
	return unread
}

// Next returns the oldest records in memory. It waits for some until ctx is
// done, and then returns none; more is false at the stream's end. The records
// are valid until the sequence has been read to its end or left; what is not
// read then comes with the next call. Several may wait at once.
func (s *Stream) Next(ctx context.Context) (batch iter.Seq[[]byte], more bool) {
	for {
		if chunk := s.take(); chunk != nil {
			return s.read(chunk), true
		}
		select {
		case <-ctx.Done():
			return s.read(nil), true
		case <-s.ready:
		case <-s.ended:
			chunk := s.take()
			return s.read(chunk), chunk != nil
		}
	}
}

func (s *Stream) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil
	}
	chunk := s.queue[0]
	s.queue = s.queue[1:]
	return chunk
}

// read yields a chunk's records and then gives the chunk back. Left early, it
// puts the rest back at the head of the queue.
func (s *Stream) read(chunk []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for data, rest := range records(chunk) {
			if !yield(data) {
				s.putBack(chunk[:copy(chunk, rest)])
				return
			}
		}
		s.recycle(chunk)
	}
}

func (s *Stream) putBack(chunk []byte) {
	if len(chunk) == 0 {
		s.recycle(chunk)
		return
	}
	s.mu.Lock()
	s.queue = slices.Insert(s.queue, 0, chunk)
	s.mu.Unlock()
	s.ready.send()
}

func (s *Stream) recycle(chunk []byte) {
	if chunk == nil {
		return
	}
	s.mu.Lock()
	s.free = append(s.free, chunk[:0])
	s.mu.Unlock()
	s.room.send()
}

// records are the data of a chunk's records, each with what follows it; those
// given up are left out.
func records(chunk []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(data, rest []byte) bool) {
		for len(chunk) > 0 {
			header := binary.LittleEndian.Uint32(chunk)
			data := chunk[recordHeader : recordHeader+header&^(busyBit|discardBit)]
			chunk = chunk[span(header):]
			if header&discardBit == 0 && !yield(data, chunk) {
				return
			}
		}
	}
}
