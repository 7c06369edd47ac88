package site

import (
	"fmt"

	"ktrap/internal/disasm"
	"ktrap/internal/patch"
)

// A Mechanism is how the kernel gets from an instruction to the probe's handler
// and back, from the cheapest to the dearest. Measured on 6.12 in instructions
// above no probe: ftrace 361, optimised 295, emulated 480, stepped or boosted 714.
type Mechanism uint8

const (
	Unsettled   Mechanism = iota // no probe can be there, or too little is known
	ByFtrace                     // the function's own nop calls
	ByJump                       // a jump stands in place of the instruction: optimised
	ByBoost                      // a breakpoint; then a copy runs, which jumps back
	ByEmulation                  // a breakpoint; its handler does what the instruction would
	ByStep                       // a breakpoint; then a copy runs up to a second breakpoint
)

var mechanisms = [...]string{"unsettled", "ftrace", "optimised", "boosted", "emulated", "int3"}

func (m Mechanism) String() string {
	if int(m) < len(mechanisms) {
		return mechanisms[m]
	}
	return fmt.Sprintf("mechanism %d", uint8(m))
}

// An outlook is the mechanism of an allowed place.
type outlook struct {
	mechanism Mechanism
	better    string   // why it is none that costs less, or ""
	assumed   []Reason // rules whose facts were missing, taken as passed
}

// mechanism follows the kernel's choice: ftrace where it patches; a breakpoint
// elsewhere, for which a jump is put as soon as that is safe.
func (s *subject) mechanism() outlook {
	var o outlook
	if s.Kernel.Arch != disasm.AMD64 {
		return outlook{better: "how this architecture's kernel runs probes is not known here"}
	}
	switch s.ftraceSite() {
	case Yes:
		return outlook{mechanism: ByFtrace}
	case Unknown:
		in, ok := s.inst()
		if !ok {
			return outlook{better: "its code is not known"}
		}
		o.assumed = append(o.assumed, Notrace)
		if s.entry == Yes && isFtraceCall(in) {
			o.mechanism = ByFtrace
			return o
		}
	}
	o.assumed = append(o.assumed, s.missing(patch.JumpLabel, JumpLabel)...)
	o.assumed = append(o.assumed, s.missing(patch.StaticCall, StaticCall)...)
	o.assumed = append(o.assumed, s.missing(patch.Exception, Exceptions)...)
	if o.better = s.notOptimized(); o.better == "" {
		o.mechanism = ByJump
		return o
	}
	in, ok := s.inst()
	switch {
	case !ok:
		return outlook{better: "its code is not known"}
	case s.notBoosted(in) == "": // asked first: cli, sti, pushf, popf and ret may be
		o.mechanism = ByBoost
	case emulation(look(in)) != "":
		o.mechanism = ByEmulation
	default:
		o.mechanism = ByStep
		o.better += "; not boosted: " + s.notBoosted(in)
	}
	return o
}

func (s *subject) missing(k patch.Kind, reason Reason) []Reason {
	if s.Patches.Has(k) {
		return nil
	}
	return []Reason{reason}
}
