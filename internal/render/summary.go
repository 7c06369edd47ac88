package render

import (
	"encoding/json"
	"fmt"
	"strings"

	"ktrap"
)

// summary is the last JSON object of a run.
type summary struct {
	Kind     string    `json:"kind"` // "summary"
	Probes   []account `json:"probes"`
	Complete bool      `json:"complete"`
}

// account is a ledger with its address as addresses are written.
type account struct {
	ktrap.Ledger
	Addr string `json:"addr"`
}

// AppendSummaryJSON appends the ledgers as one JSON object.
func AppendSummaryJSON(dst []byte, ledgers []ktrap.Ledger) []byte {
	s := summary{Kind: "summary", Probes: []account{}, Complete: true}
	for _, l := range ledgers {
		s.Probes = append(s.Probes, account{l, fmt.Sprintf("%#x", l.Addr)})
		s.Complete = s.Complete && l.Complete
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic("ktrap bug: " + err.Error()) // plain data always marshals
	}
	return append(dst, text...)
}

// quietFrom is from how many probes on those that were not hit are only counted.
const quietFrom = 8

// AppendSummary appends the ledgers for people, a line a probe.
func (p Palette) AppendSummary(dst []byte, ledgers []ktrap.Ledger) []byte {
	quiet, unknown, unsure := 0, 0, 0
	var hits, delivered uint64
	for _, l := range ledgers {
		hits, delivered = hits+l.Hits, delivered+l.Delivered
		switch {
		case l.MissesKnown:
		case strings.HasSuffix(l.Mechanism, " event"):
			unsure++
		default:
			unknown++
		}
		if len(ledgers) >= quietFrom && l.Hits == 0 {
			quiet++
			continue
		}
		dst = p.account(dst, l)
	}
	if quiet > 0 {
		dst = fmt.Appendf(dst, "%d more probes: no hits\n", quiet)
	}
	if len(ledgers) > 1 {
		dst = fmt.Appendf(dst, "all %d probes: %s, %d delivered\n", len(ledgers), count(hits, "hit"), delivered)
	}
	if unknown > 0 {
		dst = append(dst, "misses are unknown: for a kprobe this kernel does not tell how many hits it missed (Linux 6.7 does)\n"...)
	}
	if unsure > 0 {
		dst = append(dst, "misses and losses of an event are unknown if its hits do not pause while they are counted, or, up to Linux 5.13, if memory could not be read\n"...)
	}
	return dst
}

// AppendTotal appends the ledgers of probes that only count as one: what each counted is
// shown elsewhere.
func (p Palette) AppendTotal(dst []byte, ledgers []ktrap.Ledger) []byte {
	all, unknown := ktrap.Ledger{MissesKnown: true, Complete: true}, 0
	for _, l := range ledgers {
		all.Hits, all.Handled, all.Filtered = all.Hits+l.Hits, all.Handled+l.Handled, all.Filtered+l.Filtered
		all.Missed, all.Recursion = all.Missed+l.Missed, all.Recursion+l.Recursion
		all.Complete = all.Complete && l.Complete
		if !l.MissesKnown {
			unknown++
		}
	}
	all.Place, all.Mechanism = count(uint64(len(ledgers)), "place"), "all together"
	dst = p.handled(dst, all)
	if unknown > 0 {
		dst = fmt.Appendf(dst, "of %d of them misses are not known\n", unknown)
	}
	return dst
}

func (p Palette) account(dst []byte, l ktrap.Ledger) []byte {
	if l.Handled > 0 {
		return p.handled(dst, l)
	}
	parts := []string{fmt.Sprintf("%d delivered", l.Delivered)}
	add := func(n uint64, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(l.Filtered, "filtered")
	add(l.Cut, "cut at the end")
	add(l.Missed, "missed by the kernel")
	add(l.Recursion, "missed in recursion")
	add(l.Full, "lost with the buffer full")
	add(l.Unpaired, "without a known outcome")
	dst = fmt.Appendf(dst, "%s%s%s (%s): %s = %s: ", p.place, l.Place, p.reset, l.Mechanism,
		count(l.Hits, "hit"), strings.Join(parts, " + "))
	return p.completeness(dst, l)
}

// handled is the account of a handler of the user's own, whose hits and records are
// two things.
func (p Palette) handled(dst []byte, l ktrap.Ledger) []byte {
	dst = fmt.Appendf(dst, "%s%s%s (%s): %s = %d handled", p.place, l.Place, p.reset, l.Mechanism, count(l.Hits, "hit"), l.Handled)
	if l.Filtered > 0 {
		dst = fmt.Appendf(dst, " + %d filtered", l.Filtered)
	}
	if l.Unpaired > 0 {
		dst = fmt.Appendf(dst, " + %d unpaired, their entry was not seen", l.Unpaired)
	}
	if lost := l.Missed + l.Recursion; lost > 0 {
		dst = fmt.Appendf(dst, " + %d missed by the kernel", lost)
	}
	if l.Delivered > 0 {
		dst = fmt.Appendf(dst, ", which sent %s", count(l.Delivered, "record"))
	}
	if l.Full > 0 {
		dst = fmt.Appendf(dst, " and lost %d with the buffer full", l.Full)
	}
	return p.completeness(append(dst, ": "...), l)
}

func (p Palette) completeness(dst []byte, l ktrap.Ledger) []byte {
	switch {
	case l.Complete:
		return append(dst, "complete\n"...)
	case l.Full+l.Missed+l.Recursion+l.Unpaired > 0:
		return fmt.Appendf(dst, "%sincomplete%s\n", p.warning, p.reset)
	}
	return append(dst, "incomplete, misses are not counted\n"...)
}

func count(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
