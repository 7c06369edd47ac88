package ktrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ktrap/internal/source"
	"ktrap/symbols"
)

// openSource opens the kernel's DWARF: the file named, or where it is installed. It
// must be of the same build.
func (k *Kernel) openSource(path string) (*source.Lines, error) {
	buildID := k.buildID
	if k.live {
		var err error
		if buildID, err = symbols.RunningBuildID(); err != nil {
			return nil, fmt.Errorf("find the running kernel's DWARF: %w", err)
		}
	}
	if path == "" {
		var err error
		if path, err = source.Find(k.release, buildID); err != nil {
			return nil, err
		}
	}
	return source.Open(path, buildID)
}

// addSource gives lines their lines of source.
func (k *Kernel) addSource(path string, sym symbols.Symbol, lines []Line) error {
	if sym.Module != "" {
		return fmt.Errorf("%s is in a module: lines of source are known of the kernel proper only", sym)
	}
	from, err := k.openSource(path)
	if err != nil {
		return err
	}
	defer from.Close()
	moved, err := k.moved()
	if err != nil {
		return err
	}
	for i := range lines {
		frames, err := from.At(uint64(lines[i].Addr) - moved)
		if err != nil && !errors.Is(err, source.ErrNone) {
			return fmt.Errorf("read the lines of source of %s: %w", sym, err)
		}
		for _, f := range frames {
			lines[i].Source = append(lines[i].Source, SourceLine{File: f.File, Line: f.Line, Func: f.Func})
		}
	}
	return nil
}

// moved is how far the kernel's addresses are above those it was linked for.
func (k *Kernel) moved() (uint64, error) {
	if !k.live {
		return 0, nil
	}
	return k.symbols.KASLR()
}

// Inlined functions are looked for in all of a kernel's DWARF: so long at most, and
// so many of them.
const (
	lookFor  = 5 * time.Second
	mostInto = 8
)

// inlinedInto tells the functions that a function was inlined into, as far as
// DWARF is at hand.
func (k *Kernel) inlinedInto(ctx context.Context, name string) string {
	from, err := k.openSource("")
	if err != nil {
		return "which they are, its DWARF would tell: " + err.Error()
	}
	defer from.Close()
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	var into []string
	for found, err := range from.Inlined(ctx, name) {
		if err != nil || len(into) == mostInto {
			into = append(into, "…")
			break
		}
		if !slices.Contains(into, found.Func) {
			into = append(into, found.Func)
		}
	}
	if into == nil {
		return "DWARF knows no place where it was inlined"
	}
	return "they are in " + strings.Join(into, ", ")
}
