package cli

import (
	"context"
	"fmt"
	"os/exec"
)

// findCommand finds a command to be run before much is done for it.
func findCommand(argv []string) error {
	if argv == nil {
		return nil
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	return nil
}

// command starts what stands behind --, if anything does. When it ends it calls end;
// ended waits for that.
func command(ctx context.Context, argv []string, end func(), io Streams) (ended func(), err error) {
	if argv == nil {
		return func() {}, nil
	}
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Stdin, c.Stdout, c.Stderr = io.In, io.Err, io.Err
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("run %s: %w", argv[0], err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// How it ends is its own affair: failing calls are what is looked for.
		_ = c.Wait()
		end()
	}()
	return func() { <-done }, nil
}
