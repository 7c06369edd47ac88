package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"ktrap"
)

// change carries out lines NAME=VALUE while a handler file runs, until their end.
// A line that can't be is told and changes nothing.
func change(ctx context.Context, script *ktrap.Script, lines io.Reader, told io.Writer) {
	for each := bufio.NewScanner(lines); each.Scan() && ctx.Err() == nil; {
		if err := changeBy(ctx, script, strings.TrimSpace(each.Text())); err != nil {
			fmt.Fprintln(told, "ktrap:", err)
		}
	}
}

func changeBy(ctx context.Context, script *ktrap.Script, line string) error {
	name, text, found := strings.Cut(line, "=")
	switch {
	case line == "":
		return nil
	case !found:
		return fmt.Errorf("%q is no change: write NAME=VALUE or probe=PLACE", line)
	case name == "probe":
		return script.Move(ctx, text)
	}
	return script.Set(name, text)
}
