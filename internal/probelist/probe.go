// Package probelist merges what a kernel tells, in many places and in pieces,
// about the probes armed on it, into one list.
//
// Each source knows a part: debugfs's kprobes/list every kprobe, its address and
// state, but not whose it is; tracefs the events, by the name that was asked
// for; bpf() the programs and who holds them; ftrace the functions that
// anything hooks. So each kprobe of the first list is claimed by at most one of
// the others; what claims nothing is listed as it is, and what nobody claims
// belongs to a module or to perf. The package reads text and records that it is
// handed, and touches no kernel.
package probelist

import (
	"ktrap/internal/place"
)

// A Probe is one thing that is armed, or that could be by one write, on the
// machine.
type Probe struct {
	Kind      string        `json:"kind"`                // as under Kinds
	Place     place.Place   `json:"place,omitzero"`      // where the kernel says it is; zero for many functions
	Addr      place.Address `json:"addr,omitempty"`      // 0 if unknown
	Functions []string      `json:"functions,omitempty"` // of a probe of many functions
	OneOf     []string      `json:"one_of,omitempty"`    // instead of the place, where the kernel does not tell it
	State     State         `json:"state,omitzero"`
	Event     *Event        `json:"event,omitempty"`
	Program   *Program      `json:"program,omitempty"`

	// Maybe names events of which one may be what made it: the kernel hides
	// where their probes are.
	Maybe []string `json:"maybe,omitempty"`

	// Callback is the kernel function that is called, where nothing else
	// tells whose the hook is.
	Callback string `json:"callback,omitempty"`
}

// Kinds of probes that are not BPF's alone; those keep the kernel's names
// (fentry, fexit, modify_return).
const (
	Kprobe         = "kprobe"
	Kretprobe      = "kretprobe"
	KprobeMulti    = "kprobe.multi"
	KretprobeMulti = "kretprobe.multi"
	Fprobe         = "fprobe" // an event on functions, by ftrace
	Ftrace         = "ftrace" // a function hooked by other means
)

// State is what the kernel adds to a kprobe.
type State struct {
	Disabled  bool `json:"disabled,omitempty"`  // registered, not armed
	Optimized bool `json:"optimized,omitempty"` // a jump, not a trap
	Ftrace    bool `json:"ftrace,omitempty"`    // a call from a function's entry, not a trap
	Gone      bool `json:"gone,omitempty"`      // the code that it was in is gone
}

// Event is a probe made through tracefs.
type Event struct {
	Name    string  `json:"name"` // group/name
	Enabled bool    `json:"enabled"`
	Counts  *Counts `json:"counts,omitempty"` // nil for an fprobe: the kernel has none

	// Orphan marks an event that nobody uses: left over, or made and not yet
	// enabled.
	Orphan bool `json:"orphan,omitempty"`
	// Remover is the process that is to remove it, if Orphan and one is; else 0.
	Remover int `json:"remover,omitempty"`
}

// Counts are those of kprobe_profile.
type Counts struct {
	Hits   uint64 `json:"hits"`
	Missed uint64 `json:"missed"`
}

// Program is the BPF program that a probe runs.
type Program struct {
	ID     uint32  `json:"id"`
	Name   string  `json:"name,omitempty"`
	Link   uint32  `json:"link,omitempty"`   // its id; 0 for a program set by ioctl
	Missed uint64  `json:"missed,omitempty"` // as the link tells, from 6.7 on
	Owners []Owner `json:"owners,omitempty"` // none if it is pinned
}

// Owner is a process that holds a probe open.
type Owner struct {
	PID  int    `json:"pid"`
	Comm string `json:"comm"`
}
