package render

import (
	"encoding/json"
	"fmt"
	"math"
	"path"
	"strings"
	"time"

	"ktrap"
	"ktrap/internal/way"
)

// AppendPathJSON appends a call as one JSON object, without a newline.
func AppendPathJSON(dst []byte, c *ktrap.PathCall) []byte {
	text, err := json.Marshal(c)
	if err != nil {
		panic("ktrap bug: " + err.Error()) // plain data always marshals
	}
	return append(dst, text...)
}

// AppendPath appends a call: a line for it, one for each block with its time and what
// it calls, and what decided it.
//
//	15:04:05.000000000 1 812/812 cat do_sys_openat2 = -2 (ENOENT) in 12.3µs
//	    +0x0       1.2µs  build_open_flags
//	    decided at do_sys_openat2+0xb7, cmp …; ja …
func (p Palette) AppendPath(dst []byte, c *ktrap.PathCall) []byte {
	dst = c.Time.AppendFormat(dst, "15:04:05.000000000 ")
	dst = fmt.Appendf(dst, "%d %d/%d ", c.CPU, c.PID, c.TID)
	dst = append(appendComm(dst, c.Comm), ' ')
	dst = append(p.outcome(dst, &c.Way), '\n')
	dst = p.way(dst, &c.Way, "    ")
	return p.decision(dst, c.Decided, "    ")
}

func (p Palette) outcome(dst []byte, w *ktrap.Way) []byte {
	dst = fmt.Appendf(dst, "%s%s%s = %s", p.place, w.Func, p.reset, result(w.Result, w.Error, w.Errno))
	dst = fmt.Appendf(dst, " in %s", brief(w.Took))
	if w.Cut {
		dst = append(dst, ", not all of it kept"...)
	}
	return dst
}

func result(value ktrap.Address, e int64, name string) string {
	switch {
	case e != 0 && name != "":
		return fmt.Sprintf("%d (%s)", e, name)
	case e != 0:
		return fmt.Sprint(e)
	case value < 1<<32:
		return fmt.Sprint(uint64(value))
	}
	return value.String()
}

// brief is a time with three digits that count.
func brief(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "µs"}} {
		if n := float64(d) / float64(unit.size); d >= unit.size {
			return fmt.Sprintf("%.*f%s", max(0, 2-int(math.Log10(n))), n, unit.name)
		}
	}
	return fmt.Sprintf("%dns", d)
}

// way appends the blocks; a loop's once, and how often.
func (p Palette) way(dst []byte, w *ktrap.Way, indent string) []byte {
	ids := make([]int, len(w.Blocks))
	for i, b := range w.Blocks {
		if ids[i] = b.Block; len(b.Inner) > 0 {
			ids[i] = -2 - i // which is like no other
		}
	}
	at := 0
	for _, run := range way.Fold(ids) {
		n := len(run.Blocks)
		var took time.Duration
		for _, b := range w.Blocks[at : at+n*run.Times] {
			took += b.Took
		}
		for _, b := range w.Blocks[at : at+n] {
			dst = p.block(dst, &b, indent)
		}
		if run.Times > 1 {
			dst = fmt.Appendf(dst, "%s%s… %d times in all, %s%s\n", indent, p.name, run.Times, brief(took), p.reset)
		}
		at += n * run.Times
	}
	return dst
}

func (p Palette) block(dst []byte, b *ktrap.PathBlock, indent string) []byte {
	if b.Block < 0 {
		return fmt.Appendf(dst, "%s%s… steps that were not kept, %s%s\n", indent, p.warning, brief(b.Took), p.reset)
	}
	dst = fmt.Appendf(dst, "%s+%-#8x %8s", indent, b.Offset, brief(b.Took))
	if b.Unseen {
		dst = append(dst[:len(dst)-8], "       -"...)
	}
	if len(b.Calls) > 0 {
		dst = fmt.Appendf(dst, "  %s", strings.Join(b.Calls, " "))
	}
	if b.Unsure {
		dst = fmt.Appendf(dst, "  %s(how it came here is not known: no probe can see it)%s", p.warning, p.reset)
	}
	if b.Source != nil {
		dst = fmt.Appendf(dst, "  %s%s%s", p.name, where(b.Source), p.reset)
	}
	dst = append(dst, '\n')
	for _, in := range b.Inner {
		dst = append(p.outcome(append(dst, indent+"  "...), in), '\n')
		dst = p.way(dst, in, indent+"    ")
	}
	return dst
}

func where(s *ktrap.SourceLine) string { return fmt.Sprintf("%s:%d", path.Clean(s.File), s.Line) }

// decision appends what decided a call, that of a call within it further in.
func (p Palette) decision(dst []byte, d *ktrap.Decision, indent string) []byte {
	if d == nil {
		return dst
	}
	dst = append(p.decided(append(dst, indent...), d), '\n')
	return p.decision(dst, d.Inner, indent+"  ")
}

func (p Palette) decided(dst []byte, d *ktrap.Decision) []byte {
	what := "decided at"
	if d.Compared {
		what = "left the ways of others at"
	}
	dst = fmt.Appendf(dst, "%s%s %s", p.place, what, d.Func)
	if d.Offset != 0 { // else it was not kept
		dst = fmt.Appendf(dst, "+%#x", d.Offset)
	}
	dst = append(dst, p.reset...)
	if d.Source != nil {
		dst = fmt.Appendf(dst, " (%s)", where(d.Source))
	}
	dst = fmt.Appendf(dst, ": %s", d.Text)
	if d.Taken {
		dst = append(dst, ", taken"...)
	} else if d.To > 0 {
		dst = fmt.Appendf(dst, ", not taken: to +%#x", d.To)
	}
	switch {
	case d.Value != nil && d.Returned != "":
		dst = fmt.Appendf(dst, "; %s had returned %s", d.Returned, valueText(*d.Value))
	case d.Returned != "":
		dst = fmt.Appendf(dst, "; on what %s returned", d.Returned)
	case d.Value != nil:
		dst = fmt.Appendf(dst, "; %s was %s", d.Register, valueText(*d.Value))
	}
	if d.Apart {
		dst = fmt.Appendf(dst, "; none of the %d others that came by went this way", d.Others)
	}
	return dst
}

func valueText(v ktrap.Address) string {
	e := way.ErrorNumber(uint64(v))
	return result(v, e, ktrap.ErrorName(e))
}

// AppendPathSummaryJSON appends a summary as one JSON object, without a newline.
func AppendPathSummaryJSON(dst []byte, s *ktrap.PathSummary) []byte {
	text, err := json.Marshal(struct {
		Kind string `json:"kind"`
		*ktrap.PathSummary
	}{"summary", s})
	if err != nil {
		panic("ktrap bug: " + err.Error()) // plain data always marshals
	}
	return append(dst, text...)
}

// AppendPathSummary appends the commonest ways, and where two kinds of calls parted.
func (p Palette) AppendPathSummary(dst []byte, s *ktrap.PathSummary) []byte {
	for _, w := range s.Ways {
		dst = fmt.Appendf(dst, "%d × %s%s%s = %s in %s each:", w.Count, p.place, s.Func, p.reset,
			result(w.Result, w.Error, w.Errno), brief(w.Took/time.Duration(w.Count)))
		for _, l := range w.Loops {
			dst = p.loop(dst, l)
		}
		dst = p.decision(append(dst, '\n'), w.Decided, "    ")
	}
	if s.Rest > 0 {
		dst = fmt.Appendf(dst, "%d calls took %d other ways\n", s.Rest, s.Left)
	}
	for _, part := range s.Parted {
		dst = p.parting(dst, part)
	}
	return dst
}

func (p Palette) loop(dst []byte, l ktrap.Loop) []byte {
	if l.Several {
		dst = append(dst, " ("...)
	}
	for i, offset := range l.Offsets {
		switch {
		case i > 0 || !l.Several:
			dst = append(dst, ' ')
		}
		if offset == ktrap.NotKept {
			dst = append(dst, "…"...)
		} else {
			dst = fmt.Appendf(dst, "+%#x", offset)
		}
	}
	if l.Several {
		dst = append(dst, ")…"...)
	}
	return dst
}

func (p Palette) parting(dst []byte, part *ktrap.Parting) []byte {
	dst = fmt.Appendf(dst, "%s+%#x → +%#x%s: %s of %d, of the others %s of %d", p.place, part.From, part.To, p.reset,
		share(part.Wanted, part.WantedOf), part.WantedOf, share(part.Others, part.OthersOf), part.OthersOf)
	dst = fmt.Appendf(dst, "  %s%s", p.name, part.Text)
	if part.Source != nil {
		dst = fmt.Appendf(dst, "  %s", where(part.Source))
	}
	return append(append(dst, p.reset...), '\n')
}

func share(n, of int) string { return fmt.Sprintf("%.4g%%", 100*float64(n)/float64(of)) }

// AppendPathCounts appends the account of calls.
func (p Palette) AppendPathCounts(dst []byte, c ktrap.PathCounts) []byte {
	dst = fmt.Appendf(dst, "%d ways seen", c.Seen)
	for _, n := range []struct {
		count uint64
		what  string
	}{
		{c.Others, "calls for which --if is false"},
		{c.Cut, "too long to be kept whole"},
	} {
		if n.count > 0 {
			dst = fmt.Appendf(dst, ", %d %s", n.count, n.what)
		}
	}
	for _, n := range []struct {
		count uint64
		what  string
	}{
		{c.Broken, "with steps that were missed (" + c.Why + ")"},
		{c.Crowded, "not followed: too many at once"},
		{c.Lost, "without room in the buffer"},
		{c.Unfinished, "whose return was not seen"},
		{c.Unbegun, "returns without an entry"},
		{c.Missed, "hits that the kernel missed"},
	} {
		if n.count > 0 {
			dst = fmt.Appendf(dst, ", %s%d %s%s", p.warning, n.count, n.what, p.reset)
		}
	}
	return append(dst, '\n')
}
