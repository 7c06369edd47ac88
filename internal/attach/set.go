// Package attach carries out a plan and undoes it. It is the only room that
// loads programs, arms probes or writes tracefs.
//
// A Set is one job: all of its points attach or none stays. Programs attach
// unarmed, so that the points of a set begin together; whatever happens before
// Arm is not part of what the set saw. Closing undoes in reverse order. All that
// is armed hangs on file descriptors of this process, so that the kernel itself
// removes it if the process is killed. Tracefs events do not: see Group.
//
// Where no programs run, an EventSet is in a Set's stead, and a Buffer in a ring's.
package attach

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ktrap/internal/arch"
	"ktrap/internal/capture"
	"ktrap/internal/facts"
	"ktrap/internal/kernel"
	"ktrap/internal/object"
	"ktrap/internal/plan"
)

// Point is one place to attach to.
type Point struct {
	Addr   uint64 // where the probe goes
	Func   uint64 // the start of the function that Addr is in
	FuncID uint32 // BTF id for fentry and fexit
	Unit   *capture.Unit
	Script *Script // in Unit's stead
}

// Script is a handler of the user's own: its program, and its file's maps.
type Script struct {
	Emit func(capture.Target) (object.Program, error)
	Maps map[string]*ebpf.Map
	Once bool // the handler is called once at each point
}

// Job is what a Set carries out.
type Job struct {
	Kernel *facts.Kernel
	Arch   *arch.Arch
	Ring   *ebpf.Map // where programs write records
	Base   uint32    // the session's number of the first point
	Points []Point
	Steps  []plan.Step
	// Progress, if not nil, is told how many of the points are attached, on the
	// way up, beginning with none, and on the way down.
	Progress func(attaching bool, attached, total int)
	Events   *Group // for tracefs events, if the steps have any
	// FaultsMissed tells whether the kernel counts as missed a read that failed
	// too. It is asked only where there is something missed.
	FaultsMissed func() bool
}

// progress tells Progress, if anybody asked for it.
func (j *Job) progress(attaching bool, attached int) {
	if j.Progress != nil {
		j.Progress(attaching, attached, len(j.Points))
	}
}

// Refused is a point that the kernel did not take.
type Refused struct {
	Point     int   // index into the job's points; -1 if it can't be told which
	Points    []int // if so, and if it can be told, one of these
	Mechanism plan.Mechanism
	Err       error
}

func (e *Refused) Error() string {
	return fmt.Sprintf("the kernel refused a probe by %s: %s", e.Mechanism, meaning(e.Err))
}

func (e *Refused) Unwrap() error { return e.Err }

// Misses are hits that never reached a point's program, as the kernel counts
// them.
type Misses struct {
	Missed    uint64 // another kprobe's handler was running
	Recursion uint64 // a BPF program was running
	Known     bool   // this kernel counts both for this mechanism
	unknown   bool   // a count could not be read
}

// Set is a job that is attached.
type Set struct {
	job     Job
	counts  *ebpf.Map
	state   *ebpf.Map
	slots   *ebpf.Map // nil if no point is only counted
	losses  *ebpf.Map
	once    *ebpf.Map // nil if no point is for one hit
	on      []bool    // by point: it is to be armed
	hooks   []*hook
	byPoint []*hook
}

// Attach carries out job, unarmed. On failure nothing stays; the error is a
// *Refused, a *VerifierError or what a system call said of an earlier step. If ctx is
// done, what there is of the set comes with the error, to be left or closed.
func Attach(ctx context.Context, job Job) (*Set, error) {
	s := &Set{job: job, byPoint: make([]*hook, len(job.Points)), on: make([]bool, len(job.Points))}
	err := s.attach(ctx)
	if err != nil && ctx.Err() == nil {
		return nil, errors.Join(err, s.Close())
	}
	if err != nil {
		s.abandon()
	}
	return s, err
}

// abandon has the guard remove the events that are not armed: that, too, can take
// seconds.
func (s *Set) abandon() {
	for _, h := range s.hooks {
		if h.counted != nil {
			h.counted.left = s.job.Events.guard != nil
		}
	}
}

func (s *Set) attach(ctx context.Context) error {
	s.job.progress(true, 0)
	if err := s.maps(); err != nil {
		return err
	}
	s.plan()
	if err := s.each(ctx, (*hook).define); err != nil {
		return err
	}
	done := 0
	return s.each(ctx, func(h *hook, ctx context.Context, s *Set) error {
		if err := h.attach(ctx, s); err != nil {
			return err
		}
		done += len(h.points)
		s.job.progress(true, done)
		return nil
	})
}

// plan makes the hooks.
func (s *Set) plan() {
	for _, step := range s.job.Steps {
		for _, points := range s.groups(step) {
			h := &hook{mechanism: step.Mechanism, points: points}
			s.hooks = append(s.hooks, h)
			for _, i := range points {
				s.byPoint[i] = h
			}
		}
	}
}

// each does one thing to all hooks, unless something fails.
func (s *Set) each(ctx context.Context, do func(*hook, context.Context, *Set) error) error {
	for _, h := range s.hooks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(h, ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (s *Set) maps() (err error) {
	n := uint32(len(s.job.Points)) + 1 // one more for hits of none
	s.counts, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "ktrap_counts", Type: ebpf.PerCPUArray,
		KeySize: 4, ValueSize: object.CountSize, MaxEntries: n,
	})
	if err != nil {
		return fmt.Errorf("make the map of counters: %w", err)
	}
	s.state, err = ebpf.NewMap(&ebpf.MapSpec{
		Name: "ktrap_state", Type: ebpf.Array,
		KeySize: 4, ValueSize: 4 * n, MaxEntries: 1,
	})
	if err != nil {
		return fmt.Errorf("make the map of states: %w", err)
	}
	s.losses, err = NewMap(&ebpf.MapSpec{Name: "ktrap_losses", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return fmt.Errorf("make the map of losses: %w", err)
	}
	return errors.Join(s.makeSlots(), s.makeOnce())
}

// maxSlots bounds the map of slots, bytes; points beyond count as others do.
const maxSlots = 1 << 20

func (s *Set) makeSlots() (err error) {
	size := s.cpus() * object.SlotStride(len(s.job.Points))
	counted := func(p Point) bool { return p.Unit != nil && p.Unit.Plain() }
	if size == 0 || size > maxSlots || !slices.ContainsFunc(s.job.Points, counted) {
		return nil
	}
	s.slots, err = NewMap(&ebpf.MapSpec{Name: "ktrap_slots", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), MaxEntries: 1})
	if err != nil {
		return fmt.Errorf("make the map of hits: %w", err)
	}
	return nil
}

// cpus is how many CPUs a program may run on, rounded up to a power of two.
func (s *Set) cpus() int {
	if s.job.Kernel == nil {
		return 0
	}
	n := 1
	for n < s.job.Kernel.CPUs.Possible {
		n *= 2
	}
	return n
}

// groups splits a step's points into those that one hook serves: all points of a
// kprobe.multi link, or of a tracefs event, that record the same; each of another
// function, by which the link finds the point, or at another address; otherwise each
// on its own.
func (s *Set) groups(step plan.Step) [][]int {
	if !multi(step.Mechanism) && step.Mechanism != plan.Event {
		return slices.Collect(slices.Chunk(step.Points, 1))
	}
	var groups [][]int
	at := map[string]int{}
	times := map[uint64]int{} // that an address, or a function, has come
	for _, i := range step.Points {
		p := s.job.Points[i]
		found := p.Func
		if step.Mechanism == plan.Event {
			found = p.Addr
		}
		key := fmt.Sprint(times[found], p.records())
		times[found]++
		n, ok := at[key]
		if !ok || step.Mechanism == plan.Event && len(groups[n]) == largest {
			n = len(groups)
			at[key] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], i)
	}
	return groups
}

// largest is how many places one event has at most: arming them can't be ended.
const largest = 512

// records tells apart points that record differently.
func (p *Point) records() string {
	if p.Script != nil {
		return fmt.Sprintf("%p", p.Script)
	}
	return fmt.Sprint(*p.Unit)
}

// Arm begins: from now on hits of all points count and are recorded.
func (s *Set) Arm() error {
	on := s.disarmed()
	for i := range s.job.Points {
		binary.NativeEndian.PutUint32(on[4*i:], 1)
		s.on[i] = true
	}
	return s.setState(on)
}

// Disarm ends: hits of any point count as unarmed from now on.
func (s *Set) Disarm() error { return s.setState(s.disarmed()) }

// disarmed is the state in which no point is armed, with that of hits of none.
func (s *Set) disarmed() []byte { return make([]byte, 4*(len(s.job.Points)+1)) }

func (s *Set) setState(value []byte) error {
	if err := s.state.Put(uint32(0), value); err != nil {
		return fmt.Errorf("arm or disarm: %w", err)
	}
	return nil
}

// Enable arms point i, attaching what serves it if nothing is attached.
func (s *Set) Enable(i int) error {
	if err := s.byPoint[i].attach(context.Background(), s); err != nil {
		return err
	}
	s.on[i] = true
	return errors.Join(s.unclaim(i), s.switchPoint(i, 1))
}

// Disable disarms point i; what served it and no other armed point is detached.
func (s *Set) Disable(i int) error {
	s.on[i] = false
	if err := s.switchPoint(i, 0); err != nil {
		return err
	}
	h := s.byPoint[i]
	state, err := s.states()
	if err != nil {
		return err
	}
	for _, p := range h.points {
		if binary.NativeEndian.Uint32(state[4*p:]) != 0 {
			return nil
		}
	}
	return h.detach()
}

func (s *Set) states() ([]byte, error) {
	state, err := s.state.LookupBytes(uint32(0))
	if err != nil {
		return nil, fmt.Errorf("read what is armed: %w", err)
	}
	return state, nil
}

func (s *Set) switchPoint(i int, on uint32) error {
	state, err := s.states()
	if err != nil {
		return err
	}
	binary.NativeEndian.PutUint32(state[4*i:], on)
	return s.setState(state)
}

// Misses returns what the kernel counts as missed on the hook that serves point
// i, and which points share that count.
func (s *Set) Misses(i int) (m Misses, shared []int) {
	h := s.byPoint[i]
	m, shared = h.missedAt(i)
	m.Known = !m.unknown && h.known(s.job, i, m.Missed)
	return m, shared
}

// Detach detaches every point; the counts stay readable.
func (s *Set) Detach() error {
	var errs []error
	left := len(s.job.Points)
	for _, h := range slices.Backward(s.hooks) {
		errs = append(errs, h.detach())
		left -= len(h.points)
		s.job.progress(false, left)
	}
	return errors.Join(errs...)
}

// Close detaches every point and lets go of everything.
func (s *Set) Close() error {
	err := s.Detach()
	for _, m := range []*ebpf.Map{s.once, s.losses, s.slots, s.state, s.counts} {
		err = errors.Join(err, m.Close())
	}
	return err
}

// RingSize is the size of the ring buffer, bytes: room for the hits of some
// hundred milliseconds at full speed while the reader does not get to run.
const RingSize = 16 << 20

// NewRing makes the ring buffer that the points of a session share (5.8).
func NewRing() (*ebpf.Map, error) {
	m, err := NewMap(&ebpf.MapSpec{Name: "ktrap_ring", Type: ebpf.RingBuf, MaxEntries: RingSize})
	if errors.Is(err, unix.EPERM) {
		return nil, fmt.Errorf("make a ring buffer of %d MiB: this process may lock less memory than that: raise its limit with ulimit -l, or give it CAP_SYS_RESOURCE", RingSize>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("make the ring buffer: %w", err)
	}
	return m, nil
}

// NewMap makes a map. Up to 5.10 it counts against the locked-memory limit, which
// is lifted for it.
func NewMap(spec *ebpf.MapSpec) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(spec)
	if errors.Is(err, unix.EPERM) && kernel.LiftMemlock() == nil {
		m, err = ebpf.NewMap(spec)
	}
	return m, err
}
