package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ktrap"
)

// AppendTables appends a handler file's variables as they stand: numbers, maps
// with the largest value first, histograms as bars.
func (p Palette) AppendTables(dst []byte, tables []ktrap.Table) []byte {
	for _, t := range tables {
		switch {
		case t.Value != nil:
			dst = fmt.Appendf(dst, "%s%s%s = %v\n", p.place, t.Name, p.reset, *t.Value)
		case t.Buckets != nil:
			dst = histogram(fmt.Appendf(dst, "%s%s%s\n", p.place, t.Name, p.reset), t.Buckets, t.Scale)
		default:
			dst = p.entries(dst, t)
		}
	}
	return dst
}

func (p Palette) entries(dst []byte, t ktrap.Table) []byte {
	if len(t.Entries) == 0 && t.Other == nil {
		return fmt.Appendf(dst, "%s%s%s is empty\n", p.place, t.Name, p.reset)
	}
	for _, e := range t.Entries {
		dst = p.entry(dst, t, e.Key.String(), e)
	}
	if t.Other != nil {
		dst = p.entry(dst, t, other, *t.Other)
	}
	if t.Full {
		dst = fmt.Appendf(dst, "%s%s is full: what found no room is not in it%s\n", p.warning, t.Name, p.reset)
	}
	return dst
}

// other stands for the keys that found no room.
const other = "(other)"

func (p Palette) entry(dst []byte, t ktrap.Table, key string, e ktrap.Entry) []byte {
	dst = fmt.Appendf(dst, "%s%s%s[%s]", p.place, t.Name, p.reset, key)
	if e.Buckets != nil {
		return histogram(append(dst, '\n'), e.Buckets, t.Scale)
	}
	return fmt.Appendf(dst, " = %v\n", e.Value)
}

// histogram draws a bar for each bucket from the first that counted anything to
// the last.
func histogram(dst []byte, buckets []uint64, scale *ktrap.Scale) []byte {
	const width = 40
	first := slices.IndexFunc(buckets, func(n uint64) bool { return n > 0 })
	if first < 0 {
		return append(dst, "  nothing was counted\n"...)
	}
	last := len(buckets) - 1
	for buckets[last] == 0 {
		last--
	}
	most := slices.Max(buckets)
	if negative := len(buckets) - 1; last == negative && scale != nil && scale.Signed {
		dst = bar(dst, "below 0", buckets[last], most, width)
		for last--; last > first && buckets[last] == 0; last-- {
		}
		if last < first || buckets[last] == 0 {
			return dst
		}
	}
	for i := first; i <= last; i++ {
		dst = bar(dst, bounds(i, len(buckets), scale), buckets[i], most, width)
	}
	return dst
}

func bar(dst []byte, of string, n, most uint64, width int) []byte {
	length := int(float64(n) / float64(most) * float64(width))
	return fmt.Appendf(dst, "  %-16s %10d |%-*s|\n", of, n, width, strings.Repeat("@", length))
}

// bounds are the values that bucket i of n counts.
func bounds(i, n int, scale *ktrap.Scale) string {
	switch {
	case scale == nil || scale.Step == 0:
		return powers(i)
	case i == 0:
		return fmt.Sprintf("below %d", scale.Least)
	case i == n-1:
		return fmt.Sprintf("from %d", scale.Most)
	}
	from := scale.Least + int64(i-1)*scale.Step
	return fmt.Sprintf("[%d, %d)", from, min(from+scale.Step, scale.Most))
}

// powers are the values of i bits.
func powers(i int) string {
	if i <= 1 {
		return fmt.Sprintf("[%d]", i)
	}
	return fmt.Sprintf("[%s, %s)", short(i-1), short(i))
}

// short is two to the power of n, with K, M, G and so on.
func short(n int) string {
	const units = "KMGTPE"
	if n < 10 {
		return fmt.Sprint(1 << n)
	}
	return fmt.Sprintf("%d%c", 1<<(n%10), units[n/10-1])
}

// AppendTablesJSON appends the variables as one JSON object.
func AppendTablesJSON(dst []byte, tables []ktrap.Table) []byte {
	text, err := json.Marshal(struct {
		Kind   string        `json:"kind"`
		Tables []ktrap.Table `json:"tables"`
	}{"tables", tables})
	if err != nil {
		panic("ktrap bug: " + err.Error()) // plain data always marshals
	}
	return append(dst, text...)
}
