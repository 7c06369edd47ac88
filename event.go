package ktrap

import (
	"time"

	"ktrap/internal/capture"
	"ktrap/internal/value"
	"ktrap/symbols"
)

// Kind tells which of a probe's handlers an event is for.
type Kind string

// The kinds of events.
const (
	Pre    Kind = "pre"    // before the instruction ran
	Return Kind = "return" // the function has returned
	Post   Kind = "post"   // after the instruction ran
	Fault  Kind = "fault"  // a read of a handler failed: sent by its file's fault handler
)

// Event is one hit. It is valid as long as anybody keeps it.
type Event struct {
	Time     time.Time // of the hit, by the kernel's monotonic clock
	CPU      int
	PID, TID int // process and thread
	Comm     string
	Kind     Kind
	Place    string // the probed place: symbol+0xoffset
	Addr     uint64 // where the probe is
	// Lost is how many hits of this place on this CPU found no room just
	// before this one.
	Lost         uint64
	Registration *Registration

	record     []byte
	transition *transition // of a Post event
}

// Value is one typed value: an argument, a returned value, a member.
type Value = value.Value

// Args returns the arguments with names and types from BTF; without BTF, the
// argument registers under their names. A return event has none.
func (e *Event) Args() []Value {
	if e.Kind == Return || e.Registration.typed == nil {
		return nil
	}
	return e.values(e.Registration.typed.Values)
}

// Retval returns what the function returned; ok is false at an entry and for a
// function that returns nothing.
func (e *Event) Retval() (v Value, ok bool) {
	if e.Kind != Return || e.Registration.typed == nil || len(e.Registration.typed.Values) == 0 {
		return Value{}, false
	}
	return e.values(e.Registration.typed.Values)[0], true
}

// Show returns what the probe's Show named, in that order.
func (e *Event) Show() []Value {
	if e.Registration.typed == nil {
		return nil
	}
	return e.Registration.show(e.record, e.values(e.Registration.typed.Shown))
}

func (e *Event) values(of []capture.Value) []Value {
	values := make([]Value, len(of))
	for i, v := range of {
		values[i] = v.Decode(e.Registration.typed.Bytes(e.record, v))
	}
	return values
}

// Regs returns the registers as the probe saved them, in the order of the
// kernel's dumps; nil unless the probe's Regs is set. At an instruction ip is
// what the kernel hands to a pre_handler, which on x86 is past the trap. Of a Post
// event they are those that the instruction left, with ip where it leads; Was has
// those before it.
func (e *Event) Regs() []Register {
	if e.transition != nil {
		return e.transitionRegs(&e.transition.now)
	}
	if e.Registration.typed == nil {
		return nil
	}
	saved := e.Registration.typed.RegsOf(e.record)
	if saved == nil {
		return nil
	}
	a := e.Registration.typed.Arch()
	regs := make([]Register, len(a.Regs))
	for i, r := range a.Regs {
		regs[i] = Register{r.Name, le.Uint64(saved[r.Offset:])}
	}
	return regs
}

// Register is one register's value.
type Register struct {
	Name  string
	Value uint64
}

// Frame is one return address of a stack.
type Frame struct {
	Addr   uint64
	Symbol string // empty if no symbol covers the address
	Offset uint64 // bytes from Symbol
	Module string
}

// Stack returns the kernel stack, innermost frame first; nil unless the probe's
// Stack is set.
func (e *Event) Stack() []Frame {
	if e.Registration.typed == nil {
		return nil
	}
	addrs := e.Registration.typed.StackOf(e.record)
	if len(addrs) > 0 && e.Kind == Pre && addrs[0]-e.Addr <= maxTrap {
		addrs[0] = e.Addr
	}
	frames := make([]Frame, len(addrs))
	for i, addr := range addrs {
		frames[i] = frame(e.Registration.session.on.symbols, addr)
	}
	return frames
}

// maxTrap is how far behind the probed place a stack may begin, bytes: behind the
// breakpoint, the jump or the call to ftrace that is there instead.
const maxTrap = 5

func frame(in symbols.Kernel, addr uint64) Frame {
	f := Frame{Addr: addr}
	if sym, off, ok := in.At(addr); ok {
		f.Symbol, f.Offset, f.Module = sym.Name, off, sym.Module
	}
	return f
}

// handler is the one of the probe's that the event is for.
func (e *Event) handler() *Handler {
	if e.Kind == Post {
		return e.Registration.probe.Post
	}
	return e.Registration.handler()
}
