package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"ktrap"
)

// grace is how long a person who pressed Ctrl-C waits for probes to be removed.
const grace = 10 * time.Millisecond

// leave closes s and waits until its probes are removed; if it is interrupted, before
// or meanwhile, it says who goes on with that.
func leave(ctx context.Context, s *ktrap.Session, stderr io.Writer) error {
	err := s.Close()
	short, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if s.Wait(short) == nil {
		return err
	}
	probes, pid := s.Removing()
	if ctx.Err() == nil {
		if wait(ctx, s, probes, stderr) == nil {
			return err
		}
	}
	fmt.Fprintf(stderr, "still removing %d probes, disarmed, in the background (process %d); ktrap list shows what is left\n", probes, pid)
	return err
}

func wait(ctx context.Context, s *ktrap.Session, probes int, stderr io.Writer) error {
	if isTerminal(stderr) {
		fmt.Fprintf(stderr, "removing %d probes; Ctrl-C leaves that to the background", probes)
		defer fmt.Fprint(stderr, "\r\x1b[K")
	}
	return s.Wait(ctx)
}
