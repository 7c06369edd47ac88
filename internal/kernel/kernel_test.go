package kernel

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"ktrap/internal/facts"
)

const root = "Name:\tktrap\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n"

// looking gathers from files alone, those given and root's status.
func looking(files map[string]string) *gatherer {
	tree := fstest.MapFS{"proc/self/status": {Data: []byte(root)}}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return &gatherer{root: tree, tests: tests(), kernel: &facts.Kernel{Features: map[facts.Feature]facts.Answer{}}}
}

func TestFilesTellWhatStandsAgainstProbes(t *testing.T) {
	const debugfs, tracefs = "debugfs /sys/kernel/debug debugfs rw 0 0\n", "tracefs /sys/kernel/tracing tracefs rw 0 0\n"
	ftraceOff := no("function tracing is switched off on this machine: probes of functions would be armed and never hit",
		"sysctl kernel.ftrace_enabled=1")
	type files = map[string]string
	for _, c := range []struct {
		name    string
		feature facts.Feature
		files   files
		want    facts.Answer
	}{
		{"root", facts.Privileges, nil, yes()},
		{"nobody", facts.Privileges, files{"proc/self/status": "CapEff:\t0000000000000000\n"},
			no("this process lacks CAP_BPF and CAP_PERFMON", runAsRoot)},
		{"root of the machine", facts.Privileges, files{"proc/self/uid_map": "         0          0 4294967295\n"}, yes()},
		{"root of a container", facts.Privileges, files{"proc/self/uid_map": "         0     100000      65536\n"},
			no("this process is root only in a user namespace of its own", "run it as root outside of the container")},

		{"no lockdown", facts.Unlocked, files{"sys/kernel/security/lockdown": "[none] integrity confidentiality\n"}, yes()},
		{"integrity", facts.Unlocked, files{"sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}, yes()},
		{"confidentiality", facts.Unlocked, files{"sys/kernel/security/lockdown": "none integrity [confidentiality]\n"},
			no("the kernel is locked down (lockdown=confidentiality) and denies probes to everyone", rebootUnlocked)},
		{"readable memory", facts.Unlocked, files{"proc/kcore": ""}, yes()},
		{"no securityfs", facts.Unlocked, nil,
			unknown("securityfs is not mounted", "mount -t securityfs securityfs /sys/kernel/security")},

		{"kprobes on", facts.SwitchedOn, files{"sys/kernel/debug/kprobes/enabled": "1\n"}, yes()},
		{"kprobes off", facts.SwitchedOn, files{"sys/kernel/debug/kprobes/enabled": "0\n"},
			no("kprobes are switched off on this machine: probes would be armed and never hit", "echo 1 > /sys/kernel/debug/kprobes/enabled")},
		{"no kprobes", facts.SwitchedOn, files{"proc/mounts": debugfs}, yes()},
		{"no debugfs", facts.SwitchedOn, files{"proc/mounts": tracefs},
			unknown("debugfs, which tells whether kprobes are switched off, is not mounted", mountDebugfs)},

		{"ftrace on", facts.Ftrace, files{"proc/sys/kernel/ftrace_enabled": "1\n"}, yes()},
		{"ftrace off", facts.Ftrace, files{"proc/sys/kernel/ftrace_enabled": "0\n"},
			ftraceOff},
		{"ftrace off", facts.SwitchedOn, files{"proc/sys/kernel/ftrace_enabled": "0\n", "sys/kernel/debug/kprobes/enabled": "1\n"}, ftraceOff},

		{"addresses", facts.Kallsyms, files{"proc/kallsyms": "0000000000000000 A fixed_percpu_data\nffffffff81000000 T startup_64\n"}, yes()},
		{"hidden from all", facts.Kallsyms, files{"proc/kallsyms": "0000000000000000 T startup_64\n", "proc/sys/kernel/kptr_restrict": "2\n"},
			no("kernel.kptr_restrict=2 hides all kernel addresses, even from root", "sysctl kernel.kptr_restrict=1")},
		{"hidden from nobody", facts.Kallsyms,
			files{"proc/kallsyms": "0000000000000000 T startup_64\n", "proc/sys/kernel/kptr_restrict": "1\n", "proc/self/status": "CapEff:\t0\n"},
			no("addresses are hidden from a process without CAP_SYSLOG", runAsRoot)},

		{"tracefs", facts.KprobeEvents, files{"proc/mounts": tracefs, "sys/kernel/tracing/kprobe_events": ""}, yes()},
		{"no tracefs", facts.KprobeEvents, files{"proc/mounts": debugfs}, no("tracefs is not mounted", mountTracefs)},
		{"tracefs elsewhere", facts.KprobeEvents, files{"proc/mounts": "none /t tracefs rw 0 0\n", "t/kprobe_events": ""}, yes()},
		{"fprobes", facts.FprobeEvents, files{"proc/mounts": tracefs, "sys/kernel/tracing/README": "\t           f[:[<group>/][<event>]] <func-name>[%return] [<args>]\n"}, yes()},

		{"preempted by request", facts.Unpreempted, files{"sys/kernel/debug/sched/preempt": "none (voluntary) full\n"}, yes()},
		{"preempted at will", facts.Unpreempted, files{"sys/kernel/debug/sched/preempt": "full (lazy) \n"},
			no("this kernel preempts the programs of trampolines: threads of one CPU keep each other out of them", "boot with preempt=voluntary, where the kernel has it")},
		{"never preempted", facts.Unpreempted, files{"proc/version": "Linux version 5.10.0 #1 SMP Debian 5.10.223-1"}, yes()},
		{"preempted who knows", facts.Unpreempted, files{"proc/version": "Linux version 6.12 #1 SMP PREEMPT_DYNAMIC Debian"},
			unknown("debugfs, which tells how this kernel preempts, is not mounted", mountDebugfs)},
		{"optimised", facts.Optprobes, files{"proc/sys/debug/kprobes-optimization": "1\n"}, yes()},
		{"not optimised", facts.Optprobes, files{"proc/sys/debug/kprobes-optimization": "0\n"},
			no("switched off on this machine", "sysctl debug.kprobes-optimization=1")},
		{"no kprobe PMU", facts.KprobePerf, nil,
			no("this kernel is built without kprobes for perf (CONFIG_KPROBE_EVENTS)", "use a kernel with them; ktrap lab boots one")},
	} {
		if diff := cmp.Diff(c.want, looking(c.files).answer(c.feature)); diff != "" {
			t.Errorf("%s: %s (-want +got)\n%s", c.feature, c.name, diff)
		}
	}
}

func TestAnUnmountedTracefsIsAMissingFeature(t *testing.T) {
	var missing *facts.Missing
	if dir, err := Tracefs(); err != nil && !errors.As(err, &missing) {
		t.Errorf("got %q, %v", dir, err)
	}
}

func TestEveryFeatureIsAnsweredWhereverItRuns(t *testing.T) {
	k := Gather()
	for _, f := range facts.Features() {
		switch a := k.Features[f]; {
		case a.State == "":
			t.Errorf("%s is not answered", f)
		case a.State != facts.Yes && a.Why == "":
			t.Errorf("%s is %s, and not why", f, a.State)
		}
	}
	if k.CPUs.Online == 0 || k.CPUs.Possible < k.CPUs.Online || k.Release == "" {
		t.Errorf("got %+v", k)
	}
}

func TestOnlyWhatIsAskedForIsLookedAt(t *testing.T) {
	k := Gather(facts.BTF)
	if len(k.Features) != 1 {
		t.Errorf("asked for %s, got answers to %v", facts.BTF, k.Features)
	}
}
