package kernel

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"ktrap/internal/facts"
)

const (
	mountDebugfs = "mount -t debugfs debugfs /sys/kernel/debug"
	mountTracefs = "mount -t tracefs tracefs /sys/kernel/tracing"
)

// Tracefs returns where tracefs is mounted, or a *facts.Missing.
func Tracefs() (string, error) {
	g := gatherer{root: os.DirFS("/")}
	if dir := g.mounted("tracefs"); dir != "" {
		return "/" + dir, nil
	}
	return "", &facts.Missing{Feature: facts.KprobeEvents, Why: "tracefs is not mounted", Mend: mountTracefs}
}

// mounted returns where a file system of that kind is mounted, without the
// leading slash, or "".
func (g *gatherer) mounted(kind string) string {
	mounts, _ := g.text("proc/mounts")
	for line := range strings.Lines(mounts) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == kind {
			return strings.TrimPrefix(f[1], "/")
		}
	}
	return ""
}

func (g *gatherer) kprobeEvents() facts.Answer {
	return g.inTracefs("kprobe_events", func(io.Reader) bool { return true }, "CONFIG_KPROBE_EVENTS")
}

func (g *gatherer) fprobeEvents() facts.Answer {
	return g.inTracefs("README", mentionsFprobes, "CONFIG_FPROBE_EVENTS")
}

func mentionsFprobes(readme io.Reader) bool {
	text, _ := io.ReadAll(readme)
	return strings.Contains(string(text), "f[:")
}

func (g *gatherer) inTracefs(name string, has func(io.Reader) bool, config string) facts.Answer {
	dir := g.mounted("tracefs")
	if dir == "" {
		return no("tracefs is not mounted", mountTracefs)
	}
	if unlocked := g.answer(facts.Unlocked); unlocked.State == facts.No {
		return unlocked
	}
	file, err := g.root.Open(dir + "/" + name)
	if err == nil {
		defer file.Close()
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return g.unreadable()
	case err != nil || !has(file):
		return no("this kernel is built without "+config, "")
	}
	return yes()
}

func (g *gatherer) kprobeList() facts.Answer {
	err := g.open("sys/kernel/debug/kprobes/list")
	switch {
	case err == nil:
		return yes()
	case errors.Is(err, fs.ErrPermission):
		return g.unreadable()
	case g.mounted("debugfs") == "":
		return no("debugfs is not mounted", mountDebugfs)
	}
	return no("this kernel is built without kprobes or without CONFIG_DEBUG_FS", "")
}

func (g *gatherer) kcore() facts.Answer {
	err := g.open("proc/kcore")
	switch {
	case err == nil:
		return yes()
	case errors.Is(err, fs.ErrNotExist):
		return no("this kernel is built without CONFIG_PROC_KCORE", "")
	}
	return g.unreadable()
}

// open tries whether this process may read a file.
func (g *gatherer) open(name string) error {
	file, err := g.root.Open(name)
	if err != nil {
		return err
	}
	return file.Close()
}

// unpreempted tells whether a thread can be preempted in a trampoline's program,
// which then keeps every other thread of that CPU out of it for a time slice.
func (g *gatherer) unpreempted() facts.Answer {
	preempted := no("this kernel preempts the programs of trampolines: threads of one CPU keep each other out of them", "boot with preempt=voluntary, where the kernel has it")
	modes, err := g.text("sys/kernel/debug/sched/preempt") // as: none (voluntary) full
	version, _ := g.text("proc/version")
	switch {
	case strings.Contains(modes, "(none)"), strings.Contains(modes, "(voluntary)"):
		return yes()
	case err == nil:
		return preempted
	case !strings.Contains(version, "PREEMPT"):
		return yes()
	case !strings.Contains(version, "PREEMPT_DYNAMIC"):
		return preempted
	case errors.Is(err, fs.ErrPermission):
		return g.unreadable()
	}
	return unknown("debugfs, which tells how this kernel preempts, is not mounted", mountDebugfs)
}

func (g *gatherer) optprobes() facts.Answer {
	on, err := g.text("proc/sys/debug/kprobes-optimization")
	switch {
	case err != nil:
		return no("this kernel is built without CONFIG_OPTPROBES", "")
	case on == "0":
		return no("switched off on this machine", "sysctl debug.kprobes-optimization=1")
	}
	return yes()
}

// unreadable is the answer of a file that this process may not open.
func (g *gatherer) unreadable() facts.Answer {
	if unlocked := g.answer(facts.Unlocked); unlocked.State == facts.No {
		return unlocked
	}
	return unknown("only root can tell", runAsRoot)
}
