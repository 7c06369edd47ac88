package render

import (
	"fmt"
	"strings"

	"ktrap"
)

// AppendAnswer appends what a kernel says of a place; every rule, if all is set.
//
//	vfs_read+0x4b  0xffffffff813a2f1b  add %rsi,%rax
//	  yes: by a breakpoint and a copy of the instruction …; about 714 instructions a hit
//	  not optimised: …
func (p Palette) AppendAnswer(dst []byte, a *ktrap.Answer, all bool) []byte {
	dst = fmt.Appendf(dst, "%s%s%s on %s (%s)\n", p.place, a.Place, p.reset, a.Kernel, a.Source)
	for _, note := range a.Notes {
		dst = fmt.Appendf(dst, "  %s\n", note)
	}
	if a.Moved != "" && a.Moved != a.Place {
		dst = fmt.Appendf(dst, "  the first kernel's instruction is here at %s\n", a.Moved)
	}
	for i := range a.Verdicts {
		dst = p.verdict(append(dst, '\n'), &a.Verdicts[i], all)
	}
	return dst
}

func (p Palette) verdict(dst []byte, v *ktrap.Verdict, all bool) []byte {
	dst = fmt.Appendf(dst, "%s%s%s  %s  %s\n", p.place, v.Place, p.reset, v.Addr, v.Instruction)
	if v.OK {
		dst = p.yes(dst, v)
	} else {
		dst = p.no(dst, v)
	}
	if len(v.Patches) > 0 {
		dst = fmt.Appendf(dst, "  in the kernel's tables: %s\n", strings.Join(v.Patches, ", "))
	}
	if len(v.Assumed) > 0 {
		dst = fmt.Appendf(dst, "  taken as usual, since it can't be known here: %s\n", strings.Join(v.Assumed, ", "))
	}
	if unknown := unknown(v.Rules); len(unknown) > 0 && !all {
		dst = fmt.Appendf(dst, "  not known, left to the kernel: whether it %s\n", strings.Join(unknown, "; whether it "))
	}
	if all {
		dst = p.rules(dst, v.Rules)
	}
	return dst
}

func (p Palette) yes(dst []byte, v *ktrap.Verdict) []byte {
	dst = fmt.Appendf(dst, "  %syes%s: %s", p.name, p.reset, ways[v.Mark])
	if v.Cost > 0 {
		dst = fmt.Appendf(dst, "; about %d instructions a hit", v.Cost)
	}
	if v.ProbeAt != v.Addr {
		dst = fmt.Appendf(dst, "; the kernel puts it at %s", v.ProbeAt)
	}
	dst = append(dst, '\n')
	if v.Better != "" {
		dst = fmt.Appendf(dst, "  %s\n", v.Better)
	}
	switch v.Post {
	case "":
	case "impossible":
		dst = fmt.Appendf(dst, "  no post-handler: what it does %s\n", v.After)
	default:
		dst = fmt.Appendf(dst, "  post-handler: what it does %s (%s)\n", v.After, v.Post)
	}
	return dst
}

func (p Palette) no(dst []byte, v *ktrap.Verdict) []byte {
	dst = fmt.Appendf(dst, "  %sno%s: it %s (%s", p.warning, p.reset, v.Why, v.Reason)
	if v.Errno != "" {
		dst = fmt.Appendf(dst, "; the kernel says %s", v.Errno)
	} else {
		dst = append(dst, "; ktrap's own rule"...)
	}
	dst = append(dst, ")\n"...)
	for _, n := range v.Nearest {
		dst = fmt.Appendf(dst, "  nearest: %s  %s\n", n.Place, n.Instruction)
	}
	return dst
}

var ways = map[ktrap.Mark]string{
	ktrap.MarkFtrace:    "by ftrace, from the function's own call of it; a trampoline (fentry) costs a third, where BTF knows the function",
	ktrap.MarkOptimised: "by a jump in its place (optimised)",
	ktrap.MarkEmulated:  "by a breakpoint, and the kernel does what the instruction would (emulated)",
	ktrap.MarkBoosted:   "by a breakpoint and a copy of the instruction that jumps back (boosted)",
	ktrap.MarkInt3:      "by a breakpoint and a copy of the instruction that is single-stepped",
	ktrap.MarkUnknown:   "but too little is known to tell how it would work",
}

func unknown(rules []ktrap.Rule) (asks []string) {
	for _, r := range rules {
		if r.Answer == "unknown" {
			asks = append(asks, r.Asks)
		}
	}
	return asks
}

func (p Palette) rules(dst []byte, rules []ktrap.Rule) []byte {
	dst = append(dst, "  the rules, in the kernel's order:\n"...)
	for _, r := range rules {
		colour := p.name
		if r.Answer == "refused" {
			colour = p.warning
		}
		errno := r.Errno
		if errno == "" {
			errno = "-"
		}
		dst = fmt.Appendf(dst, "    %s%-9s%s %-10s it %s", colour, r.Answer, p.reset, errno, r.Asks)
		if r.Found != "" {
			dst = fmt.Appendf(dst, ": %s", r.Found)
		}
		dst = append(dst, '\n')
	}
	return dst
}
