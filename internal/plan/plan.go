// Package plan chooses how to catch what was asked for. Given the kernel's
// facts and the points, it returns steps: which mechanism serves which points,
// why, and about what a hit costs. It is a pure function of its arguments, so
// that a dry run shows exactly what a real one does, and it never touches a
// kernel: attach carries the steps out.
package plan

import (
	"fmt"
	"slices"
	"strings"

	"ktrap/internal/facts"
	"ktrap/internal/object"
)

// Mechanism is one of the kernel's ways to call a program at an address.
type Mechanism string

// The mechanisms, cheapest first.
const (
	Fentry      Mechanism = "fentry"       // BPF trampoline at a function's entry
	Fexit       Mechanism = "fexit"        // the same around the whole call
	Multi       Mechanism = "kprobe.multi" // fprobe: many entries by one link
	ReturnMulti Mechanism = "kretprobe.multi"
	Kprobe      Mechanism = "kprobe" // perf event: any instruction
	Kretprobe   Mechanism = "kretprobe"
	Event       Mechanism = "kprobe event" // tracefs event: any instruction, misses counted on any kernel, no need of BPF
	ReturnEvent Mechanism = "kretprobe event"
)

// Context is what a program attached by m is called with.
func (m Mechanism) Context() object.Context {
	switch m {
	case Fentry:
		return object.Fentry
	case Fexit:
		return object.Fexit
	case ReturnMulti, Kretprobe, ReturnEvent:
		return object.Kretprobe
	}
	return object.Kprobe
}

// cost is what a hit costs with an empty program, in instructions on 6.12,
// counted under emulation; an int3 trap costs far more on real hardware.
var cost = map[Mechanism]int{
	Fentry: 129, Fexit: 190, Multi: 264, Kprobe: 361, ReturnMulti: 540,
	Kretprobe: 640, Event: 361, ReturnEvent: 640,
}

// Point is one place to be probed, with what decides how.
type Point struct {
	Entry  bool   // at a function's first instruction
	Return bool   // at a function's return
	FuncID uint32 // the function's BTF id, if BTF knows it and its name is unique; else 0
	NoFunc string // why FuncID is 0, for the reason
	Direct bool   // every argument is in a register of its own
	Regs   bool   // the registers are wanted
	Stack  bool   // the kernel stack is wanted
	Paired bool   // a call's entry and its return are told of together
	Alone  bool   // not by an event that it shares
}

// Options are wishes that overrule the choice.
type Options struct {
	Mechanism Mechanism // "" for the best; event is short for Event
	// Guarded tells that tracefs events are removed even if this process is killed.
	Guarded bool
}

// Step serves some points by one mechanism.
type Step struct {
	Mechanism Mechanism
	Points    []int  // indexes into the points that Make was given
	Reason    string // why this mechanism
	Cost      int    // instructions a hit, about, before what the program does
	Bare      bool   // the kernel runs no program: tracefs itself records the hits
}

// recording is what it costs the kernel to record a hit itself, above a call of
// an empty program.
const recording = 458

// many is from how many entries on one kprobe.multi link is better than a
// trampoline each: a trampoline takes some 10 ms to attach and far more to let go.
const many = 4

// crowd is from how many kprobes on a tracefs event of them all is better than a perf
// event each: on 6.12 200 take 6.2 s to attach and 24 s to let go one by one, 1.5 s
// and 3.7 s by one event.
const crowd = 8

// choice is how a point would be caught, unless it shares an event, and why.
type choice struct {
	mechanism Mechanism
	reason    string
}

// Make returns the steps that serve all points.
func Make(k *facts.Kernel, points []Point, o Options) ([]Step, error) {
	if o.Mechanism == eventWord {
		o.Mechanism = Event
	}
	if _, known := returning[o.Mechanism]; !known && o.Mechanism != "" {
		return nil, fmt.Errorf("there is no mechanism %q; there are %s", o.Mechanism, strings.Join(Names(), ", "))
	}
	entries := 0
	for _, p := range points {
		if p.Entry && !(p.Paired && p.Return) {
			entries++
		}
	}
	var steps []Step
	at := map[Mechanism]int{}
	choices := make([]choice, len(points))
	singles := 0
	for i, p := range points {
		choices[i].mechanism, choices[i].reason = choose(k, p, entries, o)
		if choices[i].mechanism == Kprobe && !p.Alone {
			singles++
		}
	}
	together := singles >= crowd && o.Mechanism == "" && o.Guarded && k.Can(facts.KprobeEvents) == nil
	for i, p := range points {
		m, reason := choices[i].mechanism, choices[i].reason
		if together && m == Kprobe && !p.Alone {
			m, reason = Event, fmt.Sprintf("%d places by one event: they are attached and let go together", singles)
		}
		if err := allowed(k, p, m); err != nil {
			return nil, err
		}
		n, ok := at[m]
		if !ok {
			n = len(steps)
			at[m] = n
			steps = append(steps, step(k, m, reason))
		}
		steps[n].Points = append(steps[n].Points, i)
	}
	return steps, nil
}

func step(k *facts.Kernel, m Mechanism, reason string) Step {
	s := Step{Mechanism: m, Reason: reason, Cost: cost[m], Bare: k.Programs() != nil}
	if s.Bare {
		s.Cost += recording
	}
	return s
}

func choose(k *facts.Kernel, p Point, entries int, o Options) (Mechanism, string) {
	bare := k.Programs()
	if bare != nil && (o.Mechanism == "" || o.Mechanism == Event) {
		return either(p, Event, ReturnEvent), fmt.Sprintf("tracefs alone, without BPF: %v", bare)
	}
	if o.Mechanism != "" {
		return either(p, o.Mechanism, returning[o.Mechanism]), "asked for"
	}
	why := notFentry(k, p)
	// A multi link saves the registers that hold arguments, and may leave out others.
	multi := p.Entry && !p.Regs && !p.Paired && k.Can(facts.KprobeMulti) == nil
	switch {
	case multi && entries >= many:
		return either(p, Multi, ReturnMulti), fmt.Sprintf("%d functions by one link", entries)
	case multi && why == "" && k.Check(facts.Unpreempted) != nil:
		return either(p, Multi, ReturnMulti), "a trampoline would be cheaper, but " + k.Features[facts.Unpreempted].Why
	case p.Paired && why == "" && k.Check(facts.Unpreempted) != nil:
		// 7.3 missed 154 entries and 2,699 returns of 80,000 calls; of a return that is
		// missed the entry stays, and must not be taken for a later one that is.
		return either(p, Kprobe, Kretprobe), "a trampoline would be cheaper, but " + k.Features[facts.Unpreempted].Why
	case why == "" && entries < many:
		return either(p, Fentry, Fexit), "a function with BTF: the cheapest way"
	case why == "" && p.Paired:
		why = fmt.Sprintf("%d functions: trampolines are slow to let go, and kprobe.multi does not tell one call from another", entries)
	case why == "":
		why = fmt.Sprintf("%d functions: trampolines are slow to let go, and kprobe.multi is not there", entries)
	}
	return either(p, Kprobe, Kretprobe), why
}

var returning = map[Mechanism]Mechanism{
	Fentry: Fexit, Multi: ReturnMulti, Kprobe: Kretprobe, Event: ReturnEvent,
}

// Names lists the words by which Options may ask for a mechanism: what it is
// called at an entry, and event for short.
func Names() []string {
	names := []string{eventWord}
	for m := range returning {
		names = append(names, string(m))
	}
	slices.Sort(names)
	return names
}

const eventWord = "event"

func either(p Point, entry, ret Mechanism) Mechanism {
	if p.Return {
		return ret
	}
	return entry
}

// notFentry says why a trampoline can't serve p, or "".
func notFentry(k *facts.Kernel, p Point) string {
	switch {
	case !p.Entry:
		return "a place inside a function: only a kprobe reaches it"
	case p.Regs:
		return "registers are wanted: a trampoline has none"
	case p.Stack:
		return "a stack is wanted: from a trampoline it costs several times as much"
	case p.FuncID == 0:
		return p.NoFunc
	case !p.Direct:
		return "arguments are passed on the stack or by value, which trampolines of older kernels can't take"
	}
	if err := k.Can(facts.Fentry); err != nil {
		return err.Error()
	}
	return ""
}

// needs is the feature that each mechanism stands on.
var needs = map[Mechanism]facts.Feature{
	Fentry: facts.Fentry, Fexit: facts.Fentry,
	Multi: facts.KprobeMulti, ReturnMulti: facts.KprobeMulti,
	Kprobe: facts.KprobePerf, Kretprobe: facts.KprobePerf,
	Event: facts.KprobeEvents, ReturnEvent: facts.KprobeEvents,
}

// allowed refuses a mechanism that was asked for and can't serve p, and any
// that the kernel lacks.
func allowed(k *facts.Kernel, p Point, m Mechanism) error {
	why := ""
	if err := k.Programs(); err != nil && needs[m] != facts.KprobeEvents {
		return fmt.Errorf("%s can't serve this place without BPF: %w", m, err)
	}
	switch m {
	case Fentry, Fexit:
		why = notFentry(k, p)
	case Multi, ReturnMulti:
		switch {
		case !p.Entry:
			why = "it reaches functions' entries only"
		case p.Regs:
			why = "it saves only the registers that hold arguments"
		case p.Paired:
			why = "it does not tell one call from another, to pair entries with returns"
		}
	}
	if why != "" {
		return fmt.Errorf("%s can't serve this place: %s", m, why)
	}
	return k.Check(needs[m])
}
