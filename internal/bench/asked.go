package main

import (
	"fmt"
	"regexp"
	"slices"

	"ktrap/symbols"
)

// asked is something to be found out at every hit, and how each tool is asked.
type asked struct {
	what, way string
	ktrap     []string
	bpftrace  string
	needs     string // a function of kernels that have the way
	jump      uint64 // offset of a probe that the kernel makes a jump of
}

// multi is in kernels that have kprobe.multi.
const multi = "bpf_kprobe_multi_link_attach"

// questions are asked at the function called, or inside of it.
func questions(jump, trap uint64) []asked {
	at := func(offset uint64) string { return fmt.Sprintf("%s+%#x", called, offset) }
	by := func(way string, args ...string) []string { return append(args, "--mechanism", way) }
	return []asked{
		{"count", "fentry", by("fentry", "count", called), "kfunc:" + called + " { @ = count() }", "", 0},
		{"count", "fexit", by("fentry", "count", called+"%return"), "kretfunc:" + called + " { @ = count() }", "", 0},
		{"count", "kprobe, entry", by("kprobe", "count", called), "kprobe:" + called + " { @ = count() }", "", 0},
		{"count", "kprobe, jump", []string{"count", at(jump)}, "kprobe:" + at(jump) + " { @ = count() }", "", jump},
		{"count", "kprobe, int3", []string{"count", at(trap)}, "kprobe:" + at(trap) + " { @ = count() }", "", 0},
		{"count", "kretprobe", by("kprobe", "count", called+"%return"), "kretprobe:" + called + " { @ = count() }", "", 0},
		// A pattern is what makes bpftrace choose this way.
		{"count", "kprobe.multi", by("kprobe.multi", "count", called), "kprobe:" + called + "* { @ = count() }", multi, 0},
		{"count", "kretprobe.multi", by("kprobe.multi", "count", called+"%return"), "kretprobe:" + called + "* { @ = count() }", multi, 0},
		{"count --by comm", "fentry", by("fentry", "count", called, "--by", "comm"), "kfunc:" + called + " { @[comm] = count() }", "", 0},
		{"count --by comm", "kprobe, entry", by("kprobe", "count", called, "--by", "comm"), "kprobe:" + called + " { @[comm] = count() }", "", 0},
		{"hist", "fentry", by("fentry", "hist", called, "regs.di"), "kfunc:" + called + " { @ = hist(args->regs->di) }", "", 0},
		{"hist", "kprobe, entry", by("kprobe", "hist", called, "regs.di"), "kprobe:" + called + " { @ = hist(((struct pt_regs *)arg0)->di) }", "", 0},
		{"latency", "fentry, fexit", by("fentry", "latency", called), timed("kfunc:"+called, "kretfunc:"+called), "", 0},
		{"latency", "kprobe, kretprobe", by("kprobe", "latency", called), timed("kprobe:"+called, "kretprobe:"+called), "", 0},
		{"stack", "kprobe, entry", by("kprobe", "stack", called), "kprobe:" + called + " { @[kstack] = count() }", "", 0},
	}
}

func timed(entry, ret string) string {
	return entry + " { @at[tid] = nsecs } " + ret + " /@at[tid]/ { @ = hist(nsecs - @at[tid]); delete(@at[tid]) }"
}

// peers are the tools that are asked.
func (a asked) peers() [2]peer {
	return [2]peer{
		{name: "ktrap", args: slices.Concat([]string{"ktrap"}, a.ktrap, []string{"--json"}), says: attached, told: ktrapTold},
		{name: "bpftrace", args: []string{"bpftrace", "--unsafe", "-e", a.bpftrace}, told: bpftraceCounted},
	}
}

// bpftraceCounted adds up what stands behind keys, and in histograms.
func bpftraceCounted(text string) (account, error) {
	a, err := sum(bpftraceCounts, text)
	return account{Hits: a.Lost}, err
}

var bpftraceCounts = regexp.MustCompile(`(?m)^(?:(?:@|\]).*: |[\[(].*[\])] +)(\d+)( \||$)`)

// possible tells whether the kernel has the way.
func (a asked) possible(live *symbols.Live) bool {
	if a.needs == "" {
		return true
	}
	_, err := live.Lookup("", a.needs)
	return err == nil
}
