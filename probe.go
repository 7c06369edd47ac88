package ktrap

import (
	"errors"
	"fmt"

	"ktrap/internal/object"
	"ktrap/internal/place"
)

// Probe says where to break in and what to do there. It is a request: plain
// data that can be copied, compared and written as JSON; what is live is the
// Registration that Register makes of it.
//
// The place is either Symbol with Offset, or Addr, never both. Pre and Ret are
// called in this process for every hit, in order, by the loop over
// Session.Events; they see what the kernel recorded and can't change it.
type Probe struct {
	Symbol string `json:"symbol,omitempty"` // a function's name in the kernel or a module
	Module string `json:"module,omitempty"` // the module that Symbol is of; empty for any
	Offset uint64 `json:"offset,omitempty"` // bytes from Symbol to an instruction's first byte
	Addr   uint64 `json:"addr,omitempty"`   // an address of the running kernel instead
	Return bool   `json:"return,omitempty"` // the function's return instead of its entry

	Pre *Handler `json:"pre,omitempty"` // before the instruction
	// Post is called after the instruction: see Event.Was and Event.Regs. One that
	// runs in the kernel, made by Source or File, has a probe without Pre.
	Post *Handler `json:"post,omitempty"`
	Ret  *Handler `json:"ret,omitempty"` // when the function has returned; needs Return

	// Quiet counts hits and records nothing: they are in the ledger as Handled.
	Quiet   bool `json:"quiet,omitempty"`
	Regs    bool `json:"regs,omitempty"`    // record the registers
	Stack   bool `json:"stack,omitempty"`   // record the kernel stack
	Structs bool `json:"structs,omitempty"` // record the structs that arguments point to
	Memory  bool `json:"memory,omitempty"`  // with Post, record the instruction's operand in memory
	// Show records these, separated by commas: paths from an argument, and
	// expressions as those of a OneLine.
	Show string `json:"show,omitempty"`
	// If records only hits for which this expression is true; others are Filtered.
	If string `json:"if,omitempty"`

	PID  uint32 `json:"pid,omitempty"`  // only hits of this process
	Comm string `json:"comm,omitempty"` // only hits of threads with this name

	// Once disarms the probe at its first hit, those that it does not record left
	// aside. No other hit is counted, and what the kernel misses is only told of a
	// probe that had no hit. The kernel traps until the probe is let go of, which the
	// session begins soon; places that share a kprobe.multi link are all let go of
	// behind the last one's hit.
	Once bool `json:"once,omitempty"`

	// Optional leaves the probe out, instead of failing the whole set, where
	// the kernel allows no probe: for the places that a pattern matched.
	Optional bool `json:"optional,omitempty"`
}

// MaxComm is the longest name of a thread, bytes.
const MaxComm = object.CommSize - 1

// Place returns the probe's place in the command line's grammar.
func (p *Probe) Place() string { return p.place().String() }

func (p *Probe) place() place.Place {
	return place.Place{Module: p.Module, Symbol: p.Symbol, Offset: p.Offset, Addr: p.Addr, Return: p.Return}
}

func (p *Probe) check() error {
	switch {
	case p == nil:
		return errors.New("a probe is nil")
	case p.Symbol == "" && p.Addr == 0:
		return errors.New("a probe needs a symbol or an address")
	case p.Symbol != "" && p.Addr != 0:
		return fmt.Errorf("%s: a probe has a symbol or an address, not both", p.Symbol)
	case p.Addr != 0 && (p.Offset != 0 || p.Module != ""):
		return fmt.Errorf("%#x: an address takes neither an offset nor a module", p.Addr)
	case p.Return && p.Offset != 0:
		return fmt.Errorf("%s: a return is watched from the function's entry, not from an offset", p.Place())
	case p.Return && p.Pre != nil:
		return fmt.Errorf("%s: a return probe calls Ret, not Pre", p.Place())
	case p.Return && p.Post != nil:
		return fmt.Errorf("%s: a return probe calls Ret, not Post", p.Place())
	case !p.Return && p.Ret != nil:
		return fmt.Errorf("%s: Ret needs Return", p.Place())
	case len(p.Comm) > MaxComm:
		return fmt.Errorf("%s: the kernel cuts a thread's name to %d bytes: %q never occurs", p.Place(), MaxComm, p.Comm)
	}
	for _, h := range []*Handler{p.Pre, p.Post, p.Ret} {
		if err := h.usable(); err != nil {
			return fmt.Errorf("%s: %w", p.Place(), err)
		}
	}
	return p.together()
}

// handler is the one that the probe's hits call.
func (p *Probe) handler() *Handler {
	switch {
	case p.Return:
		return p.Ret
	case p.Post != nil && p.Post.call == nil:
		return p.Post
	}
	return p.Pre
}
