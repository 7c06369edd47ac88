package facts

// Feature names an ability of a kernel. The names are stable: manifests, JSON
// and tests use them.
type Feature string

// What a process must have before any probe can be armed.
const (
	Privileges Feature = "privileges"  // the capabilities that probes need
	Unlocked   Feature = "unlocked"    // lockdown leaves probes alone
	SwitchedOn Feature = "switched-on" // no switch keeps armed probes from being hit
	Kallsyms   Feature = "kallsyms"    // /proc/kallsyms shows addresses
	BPF        Feature = "bpf"         // bpf() loads programs for kprobes
)

// The ways to attach.
const (
	Ftrace        Feature = "ftrace" // function tracing is built in and not switched off
	Fentry        Feature = "fentry"
	KprobePerf    Feature = "kprobe-perf"
	KprobeMulti   Feature = "kprobe-multi"
	KprobeSession Feature = "kprobe-session"
	KprobeEvents  Feature = "kprobe-events"
	FprobeEvents  Feature = "fprobe-events"
)

// What comes with them.
const (
	BTF             Feature = "btf"
	AttachCookie    Feature = "attach-cookie"
	LinkMissed      Feature = "link-missed"
	RecursionMisses Feature = "recursion-misses"
	Ringbuf         Feature = "ringbuf"
	RdonlyCast      Feature = "rdonly-cast"
	KprobeOverride  Feature = "kprobe-override"
	Unpreempted     Feature = "unpreempted"
	Optprobes       Feature = "optprobes"
	OnFtrace        Feature = "kprobes-on-ftrace"
	OnNotrace       Feature = "kprobes-on-notrace"
	Kcore           Feature = "kcore"
	KprobeList      Feature = "kprobe-list"
)

// About tells what a feature is for and since when kernels have it.
type About struct {
	Feature Feature
	Group   string // of features that are told together
	For     string // what it gives to the user
	Since   string // the first release and its commit, where there is one
}

const (
	needs  = "what every probe needs"
	ways   = "ways to attach"
	extras = "what comes with them"
)

// features is in the order in which people are told of it.
var features = [...]About{
	{Privileges, needs, "arming any probe", "5.8, a17b53c4a4b5 (CAP_BPF) and 980737282232 (CAP_PERFMON); root before"},
	{Unlocked, needs, "reading the kernel at all", "5.4, 000d388ed3bb (lockdown)"},
	{SwitchedOn, needs, "probes that get hit", ""},
	{Kallsyms, needs, "places given by name", ""},
	{BPF, needs, "handlers that run in the kernel", "4.1, 2541517c32be"},

	{Ftrace, ways, "the nops at function entries", ""},
	{Fentry, ways, "the cheapest probes of functions", "5.5, fec56f5890d9; arm64 6.0, efc9909fdce0"},
	{KprobePerf, ways, "probes at any instruction", "4.17, e12f03d7031a"},
	{KprobeMulti, ways, "many functions in one go", "5.18, 0dcac2725406"},
	{KprobeSession, ways, "entry and return as one probe", "6.10, 535a3692ba72"},
	{KprobeEvents, ways, "probes without BPF", "2.6.33, 413d37d1eb69"},
	{FprobeEvents, ways, "tracefs probes on fprobe", "6.5, 334e5519c375"},

	{BTF, extras, "arguments by name and type", "5.4, 341dfcf8d78e"},
	{AttachCookie, extras, "one program for many probes", "5.15, 7adfc6c9b315 and 82e6b1eee6a8"},
	{LinkMissed, extras, "misses counted by link", "6.7, 3acf8ace6823 and e2b2cd592adb"},
	{RecursionMisses, extras, "misses counted by program", "5.12, 9ed9e9ba2337"},
	{Ringbuf, extras, "records in order over all CPUs", "5.8, 457f44363a88"},
	{RdonlyCast, extras, "plain loads through pointers", "6.2, a35b9af4ec2c"},
	{KprobeOverride, extras, "functions made to fail", "4.16, 9802d86585db"},
	{Unpreempted, extras, "fentry without misses between threads", ""},
	{Optprobes, extras, "probes by jump, not by trap", ""},
	{OnFtrace, extras, "entry probes by ftrace, not by trap", ""},
	{OnNotrace, extras, "probes in notrace functions", ""},
	{Kcore, extras, "the running kernel's code", ""},
	{KprobeList, extras, "probes of others, and their state", ""},
}

// Features lists every feature, in the order in which people are told of them.
func Features() []Feature {
	names := make([]Feature, len(features))
	for i, about := range features {
		names[i] = about.Feature
	}
	return names
}

// About tells what f is for; the zero About for a name that is no feature.
func (f Feature) About() About {
	for _, about := range features {
		if about.Feature == f {
			return about
		}
	}
	return About{}
}

// ToProbe lists what a probe needs whatever its mechanism, in the order in which
// a lack is told: the cause before what follows from it. Where only programs are
// lacking, tracefs alone may do: see Needs.
func ToProbe() []Feature {
	return []Feature{Privileges, Unlocked, SwitchedOn, Kallsyms, BPF, Ringbuf}
}

// Ways lists the features of which one is needed to attach a program.
func Ways() []Feature { return []Feature{KprobePerf, KprobeMulti, Fentry} }
