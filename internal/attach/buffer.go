package attach

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"ktrap/internal/capture"
	"ktrap/internal/tracefs"
)

// Buffer is a group's own trace buffer, which the kernel fills where it runs no
// programs of ours. It is an instance of tracefs: the machine's own buffer and
// what fills that are untouched. Its clock is CLOCK_MONOTONIC.
//
// It is a stream.Source: what it is drained of are the records that a program
// would have written, in the order of their times. One thread only may drain it.
type Buffer struct {
	*Group
	path string
	cpus []*cpuBuffer

	mu      sync.Mutex
	points  map[uint16]*eventPoint // by their events' ids
	newTask tracefs.Format
	process map[uint32]uint32 // by thread
	drainer uint32            // the thread that drains
}

// cpuBuffer is one CPU's part, with its oldest event that is unread.
type cpuBuffer struct {
	number uint32
	fd     fd
	raw    []byte
	page   tracefs.Page
	time   uint64
	data   []byte // nil if there is none
}

// OpenBuffer makes the trace buffer of g, which holds RingSize bytes at most.
func OpenBuffer(g *Group, cpus int) (*Buffer, error) {
	b := &Buffer{Group: g, path: filepath.Join(g.dir, "instances", g.name), points: map[uint16]*eventPoint{}}
	if err := b.open(cpus); err != nil {
		return nil, errors.Join(fmt.Errorf("make a trace buffer: %w", err), b.Close())
	}
	return b, nil
}

func (b *Buffer) open(cpus int) error {
	if err := os.Mkdir(b.path, 0o700); err != nil {
		return err
	}
	// What finds no room is to be lost, not what is unread. A page takes
	// 4 KiB whatever is in it.
	for _, setting := range [][2]string{
		{"trace_clock", "mono"}, {"options/overwrite", "0"}, {"options/stacktrace", "0"},
		{"buffer_size_kb", strconv.Itoa(RingSize >> 10 / cpus)},
	} {
		if err := b.write(setting[0], setting[1]); err != nil {
			return err
		}
	}
	parts, err := filepath.Glob(filepath.Join(b.path, "per_cpu", "cpu*"))
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := b.openCPU(part); err != nil {
			return err
		}
	}
	return b.watchTasks()
}

func (b *Buffer) write(file, text string) error {
	f, err := os.OpenFile(filepath.Join(b.path, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (b *Buffer) openCPU(part string) error {
	number, err := strconv.ParseUint(strings.TrimPrefix(filepath.Base(part), "cpu"), 10, 32)
	if err != nil {
		return err
	}
	n, err := unix.Open(filepath.Join(part, "trace_pipe_raw"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	b.cpus = append(b.cpus, &cpuBuffer{number: uint32(number), fd: fd(n), raw: make([]byte, os.Getpagesize())})
	return nil
}

// watchTasks has the kernel record each new task, and looks at those that are
// there. An event knows its thread only.
func (b *Buffer) watchTasks() (err error) {
	const newTask = "events/task/task_newtask"
	if b.newTask, err = readFormat(filepath.Join(b.path, newTask)); err != nil {
		return err
	}
	if err := b.write(newTask+"/enable", "1"); err != nil {
		return err
	}
	b.process = threads()
	return nil
}

// threads are the processes of all threads. In a PID namespace, where events and
// /proc number them differently, there are none.
func threads() map[uint32]uint32 {
	of := map[uint32]uint32{}
	if ns, _ := os.Readlink("/proc/self/ns/pid"); ns != "pid:[4026531836]" {
		return of
	}
	tasks, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*")
	for _, task := range tasks {
		var process, thread uint32
		if n, _ := fmt.Sscanf(task, "/proc/%d/task/%d", &process, &thread); n == 2 {
			of[thread] = process
		}
	}
	return of
}

// Close lets go of the buffer. Closing the group removes it.
func (b *Buffer) Close() error {
	var errs []error
	for _, c := range b.cpus {
		errs = append(errs, c.fd.Close())
	}
	b.cpus = nil
	return errors.Join(errs...)
}

// dropped is how many events found no room in the buffer so far.
func (b *Buffer) dropped() (n uint64, err error) {
	stats, err := filepath.Glob(filepath.Join(b.path, "per_cpu", "cpu*", "stats"))
	for _, file := range stats {
		text, failed := os.ReadFile(file)
		n, err = n+tracefs.Dropped(string(text)), errors.Join(err, failed)
	}
	return n, err
}

// Drain appends to dst records of armed points as a ring's are, as far as its
// capacity allows.
//
// A CPU that had no event after some moment has none older than that. So the
// events of all CPUs are in order up to the moment when the draining began; what
// is younger waits for the next time.
func (b *Buffer) Drain(dst []byte) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.drainer == 0 {
		b.drainer = uint32(unix.Gettid())
	}
	until := monotonic()
	for next := b.oldest(); next != nil && next.time <= until; next = b.oldest() {
		more, room := b.take(dst, next)
		if !room {
			break
		}
		dst, next.data = more, nil
	}
	return dst
}

func monotonic() uint64 {
	var now unix.Timespec
	// clock_gettime fails only on a bad clock or pointer.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return uint64(now.Nano())
}

// oldest is the CPU with the oldest event of all, nil if there is no event.
func (b *Buffer) oldest() (oldest *cpuBuffer) {
	for _, c := range b.cpus {
		if c.fill() && (oldest == nil || c.time < oldest.time) {
			oldest = c
		}
	}
	return oldest
}

// fill sees to it that c has an event, and tells whether it has.
func (c *cpuBuffer) fill() bool {
	for c.data == nil {
		if c.time, c.data = c.page.Next(); c.data != nil {
			return true
		}
		n, err := unix.Read(int(c.fd), c.raw)
		if err != nil || n == 0 {
			return false
		}
		c.page = tracefs.OpenPage(c.raw[:n])
	}
	return true
}

// take appends the record of c's event, if it is a hit that counts; room is false
// if dst is too full for it.
func (b *Buffer) take(dst []byte, c *cpuBuffer) (more []byte, room bool) {
	id := uint16(tracefs.Field{Size: 2}.Uint(c.data))
	thread := uint32(b.newTask.Fields["common_pid"].Uint(c.data))
	process, known := b.process[thread]
	if !known {
		process = thread
	}
	if id == b.newTask.ID {
		b.born(c.data, process)
		return dst, true
	}
	p := b.points[id]
	if p == nil {
		return dst, true
	}
	return p.take(dst, capture.Hit{Time: c.time, PID: process, TID: thread, Probe: p.number, CPU: c.number}, c.data)
}

// forget is for an event that is going away: its id may be given to another.
func (b *Buffer) forget(id uint16) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.points, id)
}

// born notes the process of a new task.
func (b *Buffer) born(data []byte, parent uint32) {
	task := uint32(b.newTask.Fields["pid"].Uint(data))
	process := task
	if b.newTask.Fields["clone_flags"].Uint(data)&unix.CLONE_THREAD != 0 {
		process = parent
	}
	b.process[task] = process
}
