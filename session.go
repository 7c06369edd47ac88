// Package ktrap breaks into a running Linux kernel at almost any instruction,
// records what a handler asks for, and leaves the kernel as it found it.
//
// A Probe is a request, plain data. A Session registers probes and yields an
// Event for every hit; closing it detaches everything. What the kernel missed
// and what found no room is counted: see Ledger.
//
//	s, err := ktrap.Open(ctx)
//	regs, err := s.Register(ctx, &ktrap.Probe{Symbol: "unix_stream_connect"})
//	for ev, err := range s.Events(ctx) { … }
//	err = s.Close()
//
// Linux 5.10 and newer on amd64. All that is armed hangs on file descriptors of
// this process: if it is killed, the kernel detaches. Only tracefs events, which
// are used where there is no BPF, need a guard for that: see Config.Guard.
package ktrap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"ktrap/internal/arch"
	"ktrap/internal/attach"
	"ktrap/internal/facts"
	"ktrap/internal/kernel"
	"ktrap/internal/outcome"
	"ktrap/internal/plan"
	"ktrap/internal/site"
	"ktrap/internal/stream"
	"ktrap/symbols"
)

var le = binary.LittleEndian

// Config is how a session works; its zero value is right for most.
type Config struct {
	// Memory bounds the events that are waiting to be read, bytes; 0 for 128
	// MiB. What comes when it and the kernel's ring are full is lost, counted.
	Memory int
	// Mechanism forces one of Mechanisms; empty for the best.
	Mechanism string
	// Guard is a command that calls Guard with the last of its arguments, which
	// is added, and its standard input. It is started where tracefs events are
	// used. Without one, events of a process that was killed stay armed until
	// the next session that uses some removes them.
	Guard []string
	// Progress, if not nil, is told how many of a set's probes are attached,
	// while they are attached and while they are detached again. It must not call
	// the session.
	Progress func(attaching bool, attached, total int)
	// Background has Close, and the end of a loop over Events, not wait until many
	// probes are removed, which takes the kernel seconds: no hit counts any more,
	// and another process, started by the command Guard, removes them. See
	// Session.Wait. Without a Guard it is of no effect.
	Background bool
	// Intel shows instructions in Intel's syntax.
	Intel bool
	// Unsafe allows places that the kernel accepts and that then crash it.
	Unsafe bool
}

const defaultMemory = 128 << 20

// Mechanisms lists what Config.Mechanism may name.
func Mechanisms() []string { return plan.Names() }

// Session owns everything that is armed. Its methods may be called together,
// but only one loop over Events may run.
type Session struct {
	config Config
	kernel *facts.Kernel
	arch   *arch.Arch
	on     *Kernel
	clock  clock

	mu      sync.Mutex
	ring    *ebpf.Map      // where programs write records
	group   *attach.Group  // tracefs events, if any are used
	buffer  *attach.Buffer // what is drained instead of the ring where no programs run
	stream  *stream.Stream
	regs    []*Registration // by the number that records carry
	batches []*batch
	skipped []Skipped
	parts   map[string]*shared // by the file that they stand for
	scripts []*Script
	sources map[*HandlerFile]*Script // by the handlers that they are of
	loading loading
	judges  site.Judges
	numbers []outcome.Reg        // of arch.Regs, as instructions number them
	pairing sync.Mutex           // guards awaited
	awaited map[execution]*Event // hits whose outcome is not seen yet
	due     []*Event             // that a loop over Events was left before
	// matched are the functions that patterns stood for: they need no look-up.
	matched map[name]symbols.Symbol
	// found are those that the latest Register or Plan has looked up.
	found   map[name]symbols.Symbol
	removal *attach.Removal // goes on behind this session, if anything does
	// abandoned tells that a batch is left of what was not attached to the end.
	abandoned bool
	letting   *letting // go of Once probes, if there are any
	closed    bool
	reading   atomic.Bool // a loop over Events runs
	ended     atomic.Bool // a loop over Events has detached everything
}

// name is a symbol's, in the module or, if that is empty, the kernel.
type name struct{ module, symbol string }

// batch is one Register: what attached together.
type batch struct {
	set  armed
	regs []*Registration
}

// Open looks at the kernel and prepares a session; nothing is loaded or armed.
// It fails with a *facts.Missing where the kernel is known to refuse every probe.
func Open(ctx context.Context) (*Session, error) { return Config{}.Open(ctx) }

// needed are the facts that plans are made from.
var needed = append(facts.ToProbe(), facts.Fentry, facts.KprobePerf, facts.KprobeMulti, facts.KprobeEvents, facts.LinkMissed, facts.Unpreempted)

// Open is ktrap.Open with a configuration.
func (c Config) Open(ctx context.Context) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a := arch.ByName(runtime.GOARCH)
	if a == nil {
		return nil, fmt.Errorf("ktrap does not know the registers of %s yet", runtime.GOARCH)
	}
	k := kernel.Gather(needed...)
	if err := k.Needs(); err != nil {
		return nil, err
	}
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	s := &Session{awaited: map[execution]*Event{}, config: c, kernel: k, arch: a, on: running(symbols.Open(symbols.Options{})), clock: readClock()}
	s.number()
	return s, nil
}

// Register attaches probes and arms them together: all or, on an error, none.
// Probes that are Optional and can't be had are left out: see Skipped. The
// registrations are in the probes' order.
func (s *Session) Register(ctx context.Context, probes ...*Probe) ([]*Registration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.ended.Load() {
		return nil, errors.New("register: the session is closed, or its events have ended")
	}
	if err := s.reap(); err != nil {
		return nil, err
	}
	p, err := s.prepare(ctx, probes)
	if err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	if err := p.openMaps(); err != nil {
		return nil, err
	}
	set, err := s.attach(ctx, p)
	if err != nil {
		return nil, s.loading.explain(err)
	}
	if err := set.Arm(); err != nil {
		return nil, errors.Join(err, set.Close())
	}
	s.adopt(p, set)
	s.letGoOnce(p)
	return visible(p.regs), nil
}

// Plan is what Register would do, found out without loading or arming anything.
func (s *Session) Plan(ctx context.Context, probes ...*Probe) (*Plan, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.prepare(ctx, probes)
	if err != nil {
		return nil, err
	}
	return p.plan(), nil
}

// Skipped is an optional probe that was left out.
type Skipped struct {
	Probe *Probe
	Err   error // why
}

// Skipped lists the optional probes that were left out so far.
func (s *Session) Skipped() []Skipped {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Skipped(nil), s.skipped...)
}

// open makes what records go to and begins to drain it.
func (s *Session) open() error {
	if s.stream != nil {
		return nil
	}
	if s.kernel.Programs() != nil {
		return s.openBuffer()
	}
	m, err := attach.NewRing()
	if err != nil {
		return err
	}
	ring, err := stream.OpenRing(m)
	if err != nil {
		return errors.Join(err, m.Close())
	}
	s.ring, s.stream = m, stream.Start(ring, s.config.Memory)
	return nil
}

// attach carries out p. A trampoline or a multi link that the kernel refuses is
// replaced by kprobes, which reach more; what it refuses even so is left out if
// it is optional and explained if not.
func (s *Session) attach(ctx context.Context, p *prepared) (armed, error) {
	for {
		set, err := s.carryOut(ctx, p)
		var refused *attach.Refused
		if !errors.As(err, &refused) {
			return set, err
		}
		if err := p.retreat(s, refused); err != nil {
			return nil, err
		}
		if len(p.regs) == 0 {
			return nil, p.nothing()
		}
	}
}

// adopt makes p's registrations the session's.
func (s *Session) adopt(p *prepared, set armed) {
	b := &batch{set: set, regs: p.regs}
	for _, step := range p.steps {
		for _, i := range step.Points {
			p.regs[i].step = step
		}
	}
	for i, r := range p.regs {
		r.batch, r.index = b, i
	}
	s.regs = append(s.regs, p.regs...)
	s.batches = append(s.batches, b)
	s.skipped = append(s.skipped, p.skipped...)
}

// detach detaches everything; what was recorded stays to be read.
func (s *Session) detach() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	var errs []error
	for _, b := range s.batches {
		errs = append(errs, b.set.Disarm())
	}
	if s.removes() && (s.abandoned || len(s.regs) >= crowd) {
		return errors.Join(append(errs, s.leave())...)
	}
	for i := len(s.batches) - 1; i >= 0; i-- {
		errs = append(errs, s.batches[i].set.Detach())
	}
	return errors.Join(errs...)
}

// Close detaches everything and lets go of it. Events that nobody read are
// counted as cut in the ledgers, which stay readable.
func (s *Session) Close() error {
	err := s.detach()
	err = errors.Join(err, s.endLetting(), s.keepTables())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return err
	}
	s.closed = true
	s.giveUpAll()
	if s.stream != nil {
		s.stream.Close()
	}
	for _, b := range s.batches {
		err = errors.Join(err, b.close())
	}
	for _, x := range s.scripts {
		err = errors.Join(err, x.close())
	}
	if s.ring != nil {
		err = errors.Join(err, s.ring.Close())
	}
	return errors.Join(err, s.closeTracefs(), s.on.symbols.Close())
}

// keepTables reads the variables of all handler files, which go with the maps.
func (s *Session) keepTables() error {
	s.mu.Lock()
	scripts := s.scripts
	s.mu.Unlock()
	var errs []error
	for _, x := range scripts {
		if x.maps == nil {
			continue
		}
		tables, err := x.Tables()
		x.final, errs = append([]Table{}, tables...), append(errs, err) // not nil, if there are none
	}
	return errors.Join(errs...)
}

// reap lets go of the batches of which every probe is unregistered and every
// record read, so that a session may change its probes for as long as it likes.
func (s *Session) reap() (err error) {
	s.batches = slices.DeleteFunc(s.batches, func(b *batch) bool {
		if slices.ContainsFunc(b.regs, func(r *Registration) bool { return !r.gone && !r.hidden || !r.settled() }) {
			return false
		}
		err = errors.Join(err, b.close())
		return true
	})
	return err
}

// close takes the final counts and lets go of everything.
func (b *batch) close() (err error) {
	for _, r := range b.regs {
		err = errors.Join(err, r.settle())
		r.final = true
	}
	return errors.Join(err, b.set.Close())
}

// plan options of this session.
func (s *Session) options() plan.Options {
	return plan.Options{Mechanism: plan.Mechanism(s.config.Mechanism), Guarded: len(s.config.Guard) > 0}
}
