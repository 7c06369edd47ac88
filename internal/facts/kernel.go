// Package facts holds what one kernel can do, as a value.
//
// A Kernel is plain data that marshals to JSON: gathered from the running
// kernel or read from a manifest, it is what plans are made from, what errors
// are worded by and what tests skip by. One Feature is all three at once. The
// package only computes: it never looks at a machine.
//
// The parsers of the kernel's text files that such facts come from live here
// too, each beside the type it fills.
package facts

import "fmt"

// Kernel is one kernel as seen by one process.
type Kernel struct {
	Release  string             `json:"release"` // as uname -r says
	Arch     string             `json:"arch"`    // as GOARCH says
	CPUs     CPUs               `json:"cpus"`
	PMU      PMU                `json:"kprobe_pmu"` // meaningful only if Can(KprobePerf) is nil
	Features map[Feature]Answer `json:"features"`
}

// CPUs counts the processors that run now and those that ever may.
type CPUs struct {
	Online   int `json:"online"`
	Possible int `json:"possible"`
}

// PMU is what perf_event_open needs to make a kprobe: the type of the kprobe
// PMU and the bit of config that asks for a return probe.
type PMU struct {
	Type      uint32 `json:"type"`
	ReturnBit uint8  `json:"return_bit"`
}

// State is what is known of a feature.
type State string

const (
	Unknown State = "unknown"
	Yes     State = "yes"
	No      State = "no"
)

// Answer is what is known of a feature of one kernel: if not Yes, why, and what
// mends it where something does.
type Answer struct {
	State State  `json:"state"`
	Why   string `json:"why,omitempty"`
	Mend  string `json:"mend,omitempty"`
}

// Missing is the error of a feature that is needed and not there.
type Missing struct {
	Feature Feature
	Why     string // a full clause: "this kernel has no …"
	Mend    string // what the user can do, or ""
}

func (m *Missing) Error() string {
	if m.Mend == "" {
		return m.Why
	}
	return m.Why + "; to mend it: " + m.Mend
}

// Can returns nil if the kernel is known to have the feature, else a *Missing.
func (k *Kernel) Can(f Feature) error {
	a, asked := k.Features[f]
	switch {
	case !asked:
		return &Missing{Feature: f, Why: string(f) + " was not looked at"}
	case a.State == Yes:
		return nil
	}
	return &Missing{f, a.Why, a.Mend}
}

// Check returns the *Missing of the first need that the kernel is known to lack.
// What is unknown passes: the kernel itself will tell.
func (k *Kernel) Check(needs ...Feature) error {
	for _, f := range needs {
		if k.Features[f].State == No {
			return k.Can(f)
		}
	}
	return nil
}

// Programs returns nil unless the kernel is known to run no BPF programs for this
// process, or to give it no records of theirs; then the *Missing of that.
func (k *Kernel) Programs() error { return k.Check(Privileges, BPF, Ringbuf) }

// Needs returns the *Missing of what every probe needs, or nil. Without programs
// tracefs will do, where this process may use it; where only a mend keeps that
// from being used, it is what is missing.
func (k *Kernel) Needs() error {
	if k.bare() {
		return k.Check(Unlocked, SwitchedOn, Kallsyms)
	}
	err := k.Check(ToProbe()...)
	events := k.Features[KprobeEvents]
	if err != nil && k.Check(Privileges, Unlocked, SwitchedOn, Kallsyms) == nil && events.State == No && events.Mend != "" {
		return &Missing{KprobeEvents, fmt.Sprintf("%s, and without BPF probes need tracefs: %s", err.(*Missing).Why, events.Why), events.Mend}
	}
	return err
}

func (k *Kernel) bare() bool { return k.Programs() != nil && k.Can(KprobeEvents) == nil }

// Ready returns the *Missing that keeps every probe from being armed, or nil.
func (k *Kernel) Ready() error {
	if err := k.Needs(); err != nil || k.bare() {
		return err
	}
	for _, way := range Ways() {
		if k.Can(way) == nil {
			return nil
		}
	}
	return k.Can(Ways()[0])
}
