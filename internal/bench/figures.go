package main

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// figures are what one tool's runs gave, or why they gave nothing.
type figures[R any] struct {
	Tool  string `json:"tool"`
	Runs  []R    `json:"runs,omitempty"`
	Error string `json:"error,omitempty"`
}

// all runs each of the peers once for nothing, to warm up, and then some times.
func all[R any](peers []peer, runs int, measure func(peer) (R, error)) []figures[R] {
	var all []figures[R]
	for _, p := range peers {
		fmt.Fprintf(os.Stderr, "bench: %s\n", p.name)
		f := figures[R]{Tool: p.name}
		for n := range runs + 1 {
			run, err := measure(p)
			if err != nil {
				f.Runs, f.Error = nil, err.Error()
				break
			}
			if n > 0 {
				f.Runs = append(f.Runs, run)
			}
		}
		all = append(all, f)
	}
	return all
}

// rows writes a line for each tool: what it took by each of the measures, or why it
// was not measured.
func rows[R any](w io.Writer, all []figures[R], measures ...func(R) float64) {
	for _, f := range all {
		if f.Error != "" {
			fmt.Fprintf(w, "%s\t%s\n", f.Tool, f.Error)
			continue
		}
		fmt.Fprint(w, f.Tool)
		for _, measure := range measures {
			fmt.Fprint(w, "\t", f.of(measure))
		}
		fmt.Fprintln(w)
	}
}

// spread is what one measure of several runs comes to.
type spread struct{ median, least, most float64 }

func (f figures[R]) of(measure func(R) float64) spread {
	var values []float64
	for _, run := range f.Runs {
		values = append(values, measure(run))
	}
	slices.Sort(values)
	n := len(values)
	return spread{(values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1]}
}

// String rounds to three figures: "58.2 (57.9–60.1)".
func (s spread) String() string {
	if number(s.least) == number(s.most) {
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.median), number(s.least), number(s.most))
}

func number(v float64) string {
	switch {
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// ours returns ktrap's runs, which come first; to have none is an error.
func ours[R any](all []figures[R]) (figures[R], error) {
	f := all[0]
	if f.Error != "" {
		return f, fmt.Errorf("%s: %s", f.Tool, f.Error)
	}
	return f, nil
}
