package site

import (
	"ktrap/internal/disasm"
	"ktrap/internal/patch"
)

// Kernel are the facts that all queries of one kernel share. A list that is
// nil is unknown, an empty one is empty.
type Kernel struct {
	Arch           disasm.Arch
	Release        [2]int // major and minor; zero means the newest
	Blacklist      []Range
	NotraceAllowed bool // CONFIG_KPROBE_EVENTS_ON_NOTRACE
	// Patches are the tables of the kernel proper, for queries without their own.
	Patches *patch.Table

	// What decides on the mechanism. Unknown counts as what nearly all kernels of
	// distributions have: all of it, and no preemption.
	Optprobes   Answer // CONFIG_OPTPROBES, and not switched off
	OnFtrace    Answer // CONFIG_KPROBES_ON_FTRACE
	Preemptible Answer // CONFIG_PREEMPTION, which PREEMPT_DYNAMIC implies
	Retpolines  Answer // CONFIG_RETPOLINE or, with IBT, its equal: there are no jump tables
	// EntryText is where system calls and interrupts come in.
	EntryText Range
	// Thunks are the targets of retpolines, where they have their own bounds: up
	// to 6.6 (833fd800bf56) a jump there counts as an indirect one.
	Thunks Range
}

// Learn takes from the kernel's own symbols what they tell of its abilities;
// what is known already stays.
func (k *Kernel) Learn(symbol func(name string) (addr uint64, ok bool)) {
	learn := func(fact *Answer, name string) {
		if *fact == Unknown {
			_, ok := symbol(name)
			*fact = AnswerOf(ok)
		}
	}
	learn(&k.Optprobes, "optprobe_template_entry")
	learn(&k.OnFtrace, "kprobe_ftrace_handler")
	learn(&k.Retpolines, "__x86_indirect_thunk_rax")
	learnRange(&k.EntryText, symbol, "__entry_text_start", "__entry_text_end")
	learnRange(&k.Thunks, symbol, "__indirect_thunk_start", "__indirect_thunk_end")
}

func learnRange(r *Range, symbol func(string) (uint64, bool), start, end string) {
	from, ok1 := symbol(start)
	to, ok2 := symbol(end)
	if ok1 && ok2 && r.End == 0 {
		r.Start, r.End = from, to
	}
}

// A Range is the addresses from Start up to, but not including, End.
type Range struct {
	Start, End uint64
	Name       string // what they belong to
}

func (r Range) contains(addr uint64) bool { return r.Start <= addr && addr < r.End }

// before reports whether the kernel is older than a release.
func (k *Kernel) before(major, minor int) bool {
	r := k.Release
	return r != [2]int{} && (r[0] < major || r[0] == major && r[1] < minor)
}
