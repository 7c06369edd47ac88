package render

import (
	"fmt"

	"ktrap"
	"ktrap/internal/stacks"
)

// AppendStacks appends stacks with their counts, and what they are of all; then
// what was left out, as left entries that add up to rest.
func (p Palette) AppendStacks(dst []byte, samples []ktrap.StackSample, left int, rest *ktrap.Entry) []byte {
	if len(samples) == 0 {
		return append(dst, "nothing was counted\n"...)
	}
	total := stacks.Total(samples)
	if rest != nil {
		total += rest.Value.Bits
	}
	share := func(n uint64) float64 { return 100 * float64(n) / float64(total) }
	for _, s := range samples {
		dst = fmt.Appendf(dst, "%s%d%s %.1f%%", p.place, s.Count, p.reset, share(s.Count))
		for _, l := range s.Labels {
			dst = fmt.Appendf(dst, " %s=%s", l.Key, l.Value)
		}
		dst = append(dst, '\n')
		for _, f := range s.Frames {
			dst = fmt.Appendf(dst, "    %s", f.Name)
			if f.Mapping != "" {
				dst = fmt.Appendf(dst, " (%s)", f.Mapping)
			}
			dst = append(dst, '\n')
		}
	}
	if rest != nil {
		dst = fmt.Appendf(dst, "%s%d%s %.1f%% in %d more\n", p.place, rest.Value.Bits, p.reset, share(rest.Value.Bits), left)
	}
	return dst
}
