// Package cli is the command line: one file a command, each turning flags into
// calls of the public API and the answers into lines. It imports no compiler
// and no room that touches the kernel; it owns exit codes and signals.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Streams are the three streams a command may use.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Std returns the process's own streams.
func Std() Streams { return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr} }

// usageError marks a mistake in how a command was called: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// exitError ends the process with a code of its own, with nothing printed: for
// commands that pass on another program's code.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// Main runs the command named by args and returns the process's exit code.
// The first SIGINT, SIGTERM or SIGHUP cancels the command's context; what is armed is
// then detached and summed up.
func Main(args []string, io Streams) int {
	debug.SetGCPercent(gcStarting)
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	// A reader of our output that goes away is an error of write, not our end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	root := newRoot(io)
	checkShells(root)
	root.SetArgs(args)
	return exitCode(root.ExecuteContext(ctx), io.Err)
}

// Up to when its probes are attached, and in commands that attach none, ktrap lives
// for milliseconds: the first garbage is collected at 6 MB, not at 4.
const (
	gcStarting = 150
	gcWatching = 100
)

func newRoot(io Streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "ktrap",
		Short:         "Break into a running Linux kernel, look, and leave no trace",
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE:          helpOrUnknown,
	}
	root.SetIn(io.In)
	root.SetOut(io.Out)
	root.SetErr(io.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	root.AddCommand(newTrace(), newCount(), newHist(), newLatency(), newStack(), newStep(), newPath(), newCover(), newWhy(), newDisasm(), newRun(), newBuild(), newTypes(), newSymbols(), newImage(), newLab(), newDoctor(), newList(), newGuard())
	return root
}

// helpOrUnknown is what ktrap does when no command is named, or none that it has.
func helpOrUnknown(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return root.Help()
	}
	return subcommand(root, args)
}

// subcommand refuses arguments to a command that has only commands of its own.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	what, hint := "command", ""
	if cmd.HasParent() {
		what = cmd.CommandPath() + " command"
	}
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = " (did you mean " + strings.Join(near, " or ") + "?)"
	}
	return usagef("unknown %s %q%s", what, args[0], hint)
}

// checkShells makes "completion" refuse a shell that it does not know.
func checkShells(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Args = subcommand
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// flagError words a value that a flag can't take; the library's own words name
// the function of Go that refused it.
func flagError(err error) error {
	var value *pflag.InvalidValueError
	if !errors.As(err, &value) {
		return err
	}
	f := value.GetFlag()
	takes := map[string]string{"duration": "a time such as 10s", "uint32": "a number from 1", "uint64": "a number from 1", "int": "a number"}[f.Value.Type()]
	return fmt.Errorf("--%s %s: it takes %s", f.Name, value.GetValue(), cmp.Or(takes, "a "+f.Value.Type()))
}

// version is the module's version, or the commit that a checkout was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return info.Main.Version
}

func exitCode(err error, stderr io.Writer) int {
	var code exitError
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "ktrap: interrupted; nothing stays armed")
		return exitFailed
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "ktrap: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "ktrap: %v\n", err)
	return exitFailed
}
