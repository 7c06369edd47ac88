package cli

import (
	"context"
	"io"
	"os"
	"sync/atomic"

	"ktrap"
)

// Whoever presses Ctrl-C waits for nothing that is only looked at: a function of the
// kernel, its types, its symbols. As long as nothing is being attached the process
// ends at once.
const (
	preparing = iota
	attaching
	ending
)

// endsAtOnce sets c's progress. The result is to be called at the end.
func endsAtOnce(ctx context.Context, c *ktrap.Config, stderr io.Writer) (stop func() bool) {
	var state atomic.Int32
	show := progress(stderr)
	c.Progress = func(up bool, attached, total int) {
		if !state.CompareAndSwap(preparing, attaching) && state.Load() == ending {
			select {}
		}
		show(up, attached, total)
	}
	return context.AfterFunc(ctx, func() {
		if state.CompareAndSwap(preparing, ending) {
			os.Exit(exitCode(ctx.Err(), stderr))
		}
	})
}
