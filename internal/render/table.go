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
			dst = p.histogram(fmt.Appendf(dst, "%s%s%s\n", p.place, t.Name, p.reset), t.Buckets)
		default:
			dst = p.entries(dst, t)
		}
	}
	return dst
}

func (p Palette) entries(dst []byte, t ktrap.Table) []byte {
	if len(t.Entries) == 0 {
		return fmt.Appendf(dst, "%s%s%s is empty\n", p.place, t.Name, p.reset)
	}
	for _, e := range t.Entries {
		dst = fmt.Appendf(dst, "%s%s%s[%v] = %v\n", p.place, t.Name, p.reset, e.Key, e.Value)
	}
	if t.Full {
		dst = fmt.Appendf(dst, "%s%s is full: what found no room is not in it%s\n", p.warning, t.Name, p.reset)
	}
	return dst
}

// histogram draws a bar for each power of two from the first that counted
// anything to the last.
func (p Palette) histogram(dst []byte, buckets []uint64) []byte {
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
	for i := first; i <= last; i++ {
		bar := int(float64(buckets[i]) / float64(most) * width)
		dst = fmt.Appendf(dst, "  %-16s %10d |%-*s|\n", bounds(i), buckets[i], width, strings.Repeat("@", bar))
	}
	return dst
}

// bounds are the values of i bits.
func bounds(i int) string {
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
