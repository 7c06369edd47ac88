package ktrap

import (
	"context"
	"errors"
	"fmt"

	"ktrap/internal/place"
)

// Compare asks several kernels of one place. Beside the answer of each but the
// first stands, in Moved, where the instruction is that the first has there. A
// kernel that has no such place has no answer, and its error is among those
// joined.
func Compare(ctx context.Context, text string, unsafe bool, kernels ...*Kernel) (answers []*Answer, err error) {
	var errs []error
	for _, k := range kernels {
		a, err := k.Why(ctx, text, unsafe)
		if err != nil && len(kernels) > 1 {
			err = fmt.Errorf("%s: %w", k.source, err)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if k != kernels[0] {
			a.Moved = k.whereIs(text, kernels[0])
		}
		answers = append(answers, a)
	}
	return answers, errors.Join(errs...)
}

// whereIs finds the instruction that first has at a place inside a function; it
// is "" if there is no such place, or no instruction here is enough like it.
func (k *Kernel) whereIs(text string, first *Kernel) string {
	p, err := place.Parse(text)
	if err != nil || p.Glob || p.To != 0 || p.Symbol == "" || p.Offset == 0 {
		return ""
	}
	function := place.Place{Module: p.Module, Symbol: p.Symbol}.String()
	there, err1 := first.Disassemble(function, Disassembler{})
	here, err2 := k.Disassemble(function, Disassembler{})
	if err1 != nil || err2 != nil {
		return ""
	}
	for i, l := range there.Lines {
		if l.Offset != p.Offset {
			continue
		}
		if j, ok := moved(there.Lines, i, here.Lines); ok {
			p.Offset = here.Lines[j].Offset
			return p.String()
		}
	}
	return ""
}
