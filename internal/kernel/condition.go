package kernel

import (
	"bufio"
	"errors"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"ktrap/internal/facts"
)

const runAsRoot = "run it as root, or with sudo"

func (g *gatherer) privileges() facts.Answer {
	lacking := g.process().Lacking()
	switch {
	case len(lacking) > 0:
		return no("this process lacks "+strings.Join(lacking, " and "), runAsRoot)
	case g.inUserNamespace():
		return no("this process is root only in a user namespace of its own", "run it as root outside of the container")
	}
	return yes()
}

// process is this process's own status; empty, so without any right, if
// /proc is not mounted.
func (g *gatherer) process() *facts.Status {
	if g.status == nil {
		text, _ := g.text("proc/self/status")
		g.status = facts.ParseStatus(text)
	}
	return g.status
}

func (g *gatherer) inUserNamespace() bool {
	ids, err := g.text("proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(ids), " ") != "0 0 4294967295"
}

const rebootUnlocked = "boot without lockdown=confidentiality; lockdown=integrity leaves probes alone"

// 9d1f8be5cf42, b0c8fdc7fdb7: confidentiality denies BPF's reads of the kernel,
// perf's registers, and with them kprobes; integrity leaves all alone.
func (g *gatherer) unlocked() facts.Answer {
	text, err := g.text("sys/kernel/security/lockdown")
	switch {
	case err != nil:
		return g.unlockedByKcore()
	case facts.LockdownMode(text) == "confidentiality":
		return no("the kernel is locked down (lockdown=confidentiality) and denies probes to everyone", rebootUnlocked)
	}
	return yes()
}

// unlockedByKcore is for machines without securityfs: the mode that denies
// probes denies /proc/kcore to those who else may open it.
func (g *gatherer) unlockedByKcore() facts.Answer {
	err := g.open("proc/kcore")
	switch {
	case err == nil:
		return yes()
	case errors.Is(err, unix.EPERM) && g.process().Has(unix.CAP_SYS_RAWIO):
		return no("the kernel is locked down and denies probes to everyone", rebootUnlocked)
	}
	return unknown("securityfs is not mounted", "mount -t securityfs securityfs /sys/kernel/security")
}

// switchedOn looks at the switches that make probes armed and never hit, without
// an error. It says nothing of kernels without kprobes: they may have other ways.
func (g *gatherer) switchedOn() facts.Answer {
	if entries := g.ftrace(); entries.Mend != "" {
		return entries
	}
	enabled, err := g.text("sys/kernel/debug/kprobes/enabled")
	switch {
	case errors.Is(err, fs.ErrPermission):
		return g.unreadable()
	case err != nil && g.mounted("debugfs") == "":
		return unknown("debugfs, which tells whether kprobes are switched off, is not mounted", mountDebugfs)
	case enabled == "0":
		return no("kprobes are switched off on this machine: probes would be armed and never hit",
			"echo 1 > /sys/kernel/debug/kprobes/enabled")
	}
	return yes()
}

func (g *gatherer) ftrace() facts.Answer {
	enabled, err := g.text("proc/sys/kernel/ftrace_enabled")
	switch {
	case err != nil:
		return no("this kernel is built without function tracing (CONFIG_FUNCTION_TRACER)", "")
	case enabled == "0":
		return no("function tracing is switched off on this machine: probes of functions would be armed and never hit",
			"sysctl kernel.ftrace_enabled=1")
	}
	return yes()
}

// kallsyms reads no further than the first function: symbols before it are per
// CPU and honestly small, and a hidden address is 0.
func (g *gatherer) kallsyms() facts.Answer {
	file, err := g.root.Open("proc/kallsyms")
	if err != nil {
		return no("this kernel is built without CONFIG_KALLSYMS", "")
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		symbol := strings.Fields(lines.Text())
		if len(symbol) < 3 || !strings.ContainsAny(symbol[1], "tT") {
			continue
		}
		if strings.Trim(symbol[0], "0") != "" {
			return yes()
		}
		break
	}
	return g.hidden()
}

func (g *gatherer) hidden() facts.Answer {
	restrict, _ := g.text("proc/sys/kernel/kptr_restrict")
	switch {
	case restrict == "2":
		return no("kernel.kptr_restrict=2 hides all kernel addresses, even from root", "sysctl kernel.kptr_restrict=1")
	case !g.process().Has(unix.CAP_SYSLOG):
		return no("addresses are hidden from a process without CAP_SYSLOG", runAsRoot)
	}
	return no("/proc/kallsyms shows no addresses", "")
}
