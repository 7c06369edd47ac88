package attach

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"ktrap/internal/capture"
	"ktrap/internal/kernel"
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
	dead    []*event               // that nobody uses any more
	newTask tracefs.Format
	process map[uint32]uint32 // by thread
	drainer uint32            // the thread that drains
	drained uint64            // all before this moment has been
}

// cpuBuffer is one CPU's part, with its oldest event that is unread.
type cpuBuffer struct {
	number uint32
	fd     fd
	raw    []byte
	page   tracefs.Page
	time   uint64
	data   []byte // nil if there is none
	reads  reads
}

// reads are what was read at the hit whose words come next.
type reads struct {
	of     *eventPoint
	thread uint32
	data   []byte
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

// threads are the processes of all threads; in a PID namespace, where events and
// /proc number them differently, none.
func threads() map[uint32]uint32 {
	of := map[uint32]uint32{}
	if kernel.InPIDNamespace() {
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
			return dst
		}
		dst, next.data = more, nil
	}
	b.drained = until
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
	switch {
	case p == nil:
		return dst, true
	case id == p.reads.format.ID:
		c.reads = reads{p, thread, append(c.reads.data[:0], c.data...)}
		return dst, true
	}
	more, room = p.take(dst, capture.Hit{Time: c.time, PID: process, TID: thread, Probe: p.number, CPU: c.number}, c.data, c.readsOf(p, thread))
	if room {
		c.reads.of = nil
	}
	return more, room
}

// readsOf returns what was read at the hit of p whose words have come.
func (c *cpuBuffer) readsOf(p *eventPoint, thread uint32) []byte {
	if c.reads.of != p || c.reads.thread != thread {
		return nil
	}
	return c.reads.data
}

// know makes p the point of its events.
func (b *Buffer) know(p *eventPoint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range p.events() {
		b.points[e.format.ID] = p
	}
}

// events are those of p that there are.
func (p *eventPoint) events() (events []*event) {
	for _, e := range []*event{p.words, p.reads} {
		if e != nil && e.name != "" {
			events = append(events, e)
		}
	}
	return events
}

func (b *Buffer) enable(e *event, on bool) error {
	if e.name == "" {
		return nil
	}
	e.used = e.used || on
	to := "0"
	if on {
		to = "1"
	}
	if err := b.write(filepath.Join("events", b.name, e.name, "enable"), to); err != nil {
		return fmt.Errorf("enable or disable an event: %w", err)
	}
	return nil
}

// forget lets go of p's events, which must be disabled. With an event that was
// enabled once, the kernel empties the buffer that it was enabled in. So such an
// event is removed only when no other is left.
func (b *Buffer) forget(p *eventPoint) (err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range p.events() {
		delete(b.points, e.format.ID)
		if e.used {
			b.dead = append(b.dead, e)
		} else {
			err = errors.Join(err, b.undefine(e))
		}
	}
	if len(b.points) == 0 {
		err = errors.Join(err, b.bury())
	}
	return err
}

// bury removes the dead events. The next may get their ids, so what is left of
// theirs is thrown away, and with it the births of some tasks.
func (b *Buffer) bury() (err error) {
	for _, e := range b.dead {
		err = errors.Join(err, b.undefine(e))
	}
	b.dead = nil
	if b.cpus == nil {
		return err // closed: nobody drains it any more
	}
	for _, c := range b.cpus {
		c.page, c.data, c.reads.of = tracefs.Page{}, nil, nil
	}
	maps.Copy(b.process, threads())
	return err
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
