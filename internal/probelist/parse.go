package probelist

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"ktrap/internal/place"
)

// ParseKprobes reads debugfs's kprobes/list: address, k for a kprobe or r for a
// kretprobe, place, module, state.
//
//	ffffffff9c6c79e2  k  vfs_read+0x12    [OPTIMIZED]
//	ffffffffc0a1b2c0  r  nf_conntrack_in+0x0  nf_conntrack [DISABLED][FTRACE]
func ParseKprobes(r io.Reader) ([]Probe, error) {
	var probes []Probe
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			return probes, lines.Err()
		}
		p, err := parseKprobe(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("list of kprobes, line %d, %q: %w", len(probes)+1, lines.Text(), err)
		}
		probes = append(probes, p)
	}
}

func parseKprobe(line string) (Probe, error) {
	f := strings.Fields(line)
	if len(f) < 3 {
		return Probe{}, fmt.Errorf("%d words, not 3", len(f))
	}
	addr, err := strconv.ParseUint(f[0], 16, 64)
	if err != nil {
		return Probe{}, err
	}
	p := Probe{Kind: Kprobe, Addr: place.Address(addr)}
	symbol, offset, _ := strings.Cut(f[2], "+")
	p.Place.Symbol = symbol
	p.Place.Offset, _ = strconv.ParseUint(offset, 0, 64)
	if f[1] == "r" {
		// At an entry, be it behind an endbr.
		p.Kind, p.Place.Return, p.Place.Offset = Kretprobe, true, 0
	}
	for _, word := range f[3:] {
		if strings.HasPrefix(word, "[") {
			p.State = parseState(word)
		} else {
			p.Place.Module = word
		}
	}
	return p, nil
}

func parseState(flags string) State {
	return State{
		Disabled:  strings.Contains(flags, "[DISABLED]"),
		Optimized: strings.Contains(flags, "[OPTIMIZED]"),
		Ftrace:    strings.Contains(flags, "[FTRACE]"),
		Gone:      strings.Contains(flags, "[GONE]"),
	}
}

// ParseEvents reads tracefs's dynamic_events, of which it takes the kprobes and
// fprobes, and kprobe_profile, which counts the former in the same order:
//
//	p:mine/a vfs_read+18 count=%dx        a     4852    0
//	r10:mine/b vfs_write ret=$retval      b        0    0
//	f:mine/c vfs_open%return
func ParseEvents(events, profile string) []Probe {
	var probes []Probe
	counts := strings.Fields(profile)
	for line := range strings.Lines(events) {
		p, ok := parseEvent(line)
		if !ok {
			continue
		}
		if p.Kind != Fprobe && len(counts) >= 3 {
			p.Event.Counts = new(Counts)
			p.Event.Counts.Hits, _ = strconv.ParseUint(counts[1], 10, 64)
			p.Event.Counts.Missed, _ = strconv.ParseUint(counts[2], 10, 64)
			counts = counts[3:]
		}
		probes = append(probes, p)
	}
	return probes
}

// kernelHalf is where addresses of the kernel begin. What an event's line has of the
// address of a place without a symbol is a hash of 32 bits, or none (ad67b74d2469).
const kernelHalf = 1 << 32

// parseEvent reads a line of kprobe_events; where the kernel hides the place, it is
// left empty.
func parseEvent(line string) (Probe, bool) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return Probe{}, false
	}
	how, name, _ := strings.Cut(f[0], ":")
	where, err := place.Parse(f[1])
	if strings.HasPrefix(f[1], "0x") && (err != nil || where.Addr < kernelHalf) {
		where, err = place.Place{}, nil
	}
	if err != nil {
		// A uprobe: a path and an offset.
		return Probe{}, false
	}
	p := Probe{Place: where, Addr: place.Address(where.Addr), Event: &Event{Name: name}}
	switch how[0] {
	case 'p':
		p.Kind = Kprobe
	case 'r':
		p.Kind, p.Place.Return = Kretprobe, true
	case 'f':
		p.Kind = Fprobe
	default:
		return Probe{}, false
	}
	return p, true
}

// A Hook is a function that ftrace calls something from.
type Hook struct {
	Symbol, Module string
	Callback       string // of the last caller
}

// ParseHooks reads tracefs's enabled_functions: how many call, flags, a
// trampoline and what it calls.
//
//	vfs_read (1) R    	tramp: 0xffffffffc0079000 (kprobe_ftrace_handler+0x0/0xf0) ->ftrace_ops_assist_func+0x0/0x110
//	vfs_unlink (1) R   D   M 	tramp: ftrace_regs_caller+0x0/0x65 (call_direct_funcs+0x0/0x20)
//		direct-->bpf_trampoline_6442556215+0x0/0xbc
//	ext4_sync_file [ext4] (2) R    ->arch_ftrace_ops_list_func+0x0/0x1e0
func ParseHooks(r io.Reader) ([]Hook, error) {
	var hooks []Hook
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "\t") {
			continue
		}
		symbol, rest, _ := strings.Cut(line, " ")
		h := Hook{Symbol: symbol, Callback: callback(rest)}
		if strings.HasPrefix(rest, "[") {
			h.Module, _, _ = strings.Cut(rest[1:], "]")
		}
		hooks = append(hooks, h)
	}
	return hooks, lines.Err()
}

// callback returns the function named behind a trampoline's address, else
// behind the arrow.
func callback(rest string) string {
	_, tail, found := strings.Cut(rest, "tramp: ")
	if found {
		_, tail, found = strings.Cut(tail, "(")
	} else {
		_, tail, found = strings.Cut(rest, "->")
	}
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(tail, "+")
	return name
}
