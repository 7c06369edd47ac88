package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"ktrap"
	"ktrap/internal/render"
)

const pathLong = `Print the way that each call takes through a function: its blocks, the time in each
with what it calls, what it returned, and the branch that decided that. With --depth
the functions that it calls are followed as well. Ctrl-C ends it and prints the
commonest ways.

--if tells which calls: an expression over the function's parameters as they were at
the entry; over retval; over err, the error returned, as a number or as a pointer, and
the names of errors; and over took, the nanoseconds of the call. Other calls cost their
steps and are not sent, but for some that the decision is found by. --diff
compares the calls of --if with all others; without --if, those that failed with
those that did not. Behind -- stands a command to be run: only its calls count, and
its end is the end.

A way is only shown if the function's flow of control allows it; calls of which steps
were missed are counted. Times include what the probes cost.

No handler file stands for it, as --graduate of other commands prints one: its handlers
only record which block ran, and it is ktrap that makes ways of that.`

var errNoFile = usagef("no handler file stands for a path: its handlers only record which block of this kernel's code ran, and it is ktrap that makes ways of that; --json prints those")

// following is what the flags of path ask for.
type following struct {
	tracing
	path ktrap.Path
	top  int
	cmd  []string
	// graduate is asked by who knows it from the other commands.
	graduate bool
}

func newPath() *cobra.Command {
	var f following
	cmd := &cobra.Command{
		Use:   "path FUNC [-- CMD...]",
		Short: "Show the way of each call through a function, and what decided it",
		Long:  pathLong,
		Example: `  sudo ktrap path do_sys_openat2 --if 'err != 0'
  sudo ktrap path do_sys_openat2 --depth 2 --if 'err == -EACCES' -- cat /etc/shadow
  sudo ktrap path vfs_read --if 'took > 1000000' --comm postgres --count 10
  sudo ktrap path unix_stream_connect --diff --duration 10s
  sudo ktrap path tcp_sendmsg_locked --json -o ways.json
  sudo ktrap path path_openat --depth 1 -n`,
		Args: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				f.cmd, args = args[at:], args[:at]
				if len(f.cmd) == 0 {
					return usagef("there is no command behind --")
				}
			}
			if f.graduate {
				return errNoFile
			}
			if len(args) != 1 {
				return usagef("path takes one function, as: ktrap path do_sys_openat2")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.path.Func, f.path.PID, f.path.Comm = args[0], f.like.PID, f.like.Comm
			if err := f.check(cmd.Flags(), args[:1]); err != nil {
				return usageError{err}
			}
			if f.path.Depth < 0 {
				return usagef("--depth must not be below 0")
			}
			err := f.run(cmd.Context(), Streams{In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()})
			return mistakes(cmd.ErrOrStderr(), err)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.path.If, "if", "", "only calls for which `EXPR` is true, as 'err == -EINVAL' or 'took > 1000000'")
	flags.IntVar(&f.path.Depth, "depth", 0, "follow the functions that it calls `N` deep")
	flags.BoolVar(&f.path.Diff, "diff", false, "at the end, compare these calls with the others")
	flags.BoolVar(&f.path.Source, "source", false, "show the lines of source, out of the kernel's DWARF (Debian's -dbg package)")
	flags.StringVar(&f.path.DWARF, "dwarf", "", "take the lines of source from `FILE`, a vmlinux with DWARF")
	flags.IntVar(&f.top, "top", 5, "at the end, print the `N` commonest ways")
	flags.BoolVar(&f.graduate, "graduate", false, "")
	_ = flags.MarkHidden("graduate") // it is there
	f.hits(flags)
	f.flags(flags)
	return cmd
}

func (f *following) run(ctx context.Context, io Streams) (err error) {
	f.config.Guard, f.config.Background = guard, true
	defer endsAtOnce(ctx, &f.config, io.Err)()
	f.path.Source = f.path.Source || f.path.DWARF != ""
	if f.cmd != nil {
		f.path.Under = uint32(os.Getpid())
	}
	if err := findCommand(f.cmd); err != nil {
		return err
	}
	s, err := f.config.Open(ctx)
	if err != nil {
		return err
	}
	defer func(ctx context.Context) { err = errors.Join(err, leave(ctx, s, io.Err)) }(ctx)
	out, err := openOutput(ctx, f.output, io.Out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if f.dryRun {
		plan, err := s.PathPlan(ctx, f.path)
		if err != nil {
			return err
		}
		return f.printPlan(plan, out)
	}
	began := time.Now()
	w, err := s.Path(ctx, f.path)
	if err != nil {
		return err
	}
	if err := out.begin(); err != nil {
		return err
	}
	f.announce(s, w.Registrations(), time.Since(began), io.Err)
	f.leftOut(w, io)
	return f.watch(ctx, s, w, out, io)
}

func (f *following) leftOut(w *ktrap.Paths, io Streams) {
	left := w.LeftOut()
	if !f.verbose && len(left) > 0 {
		fmt.Fprintf(io.Err, "%d blocks or functions can't be followed; -v lists them\n", len(left))
		return
	}
	for _, why := range left {
		fmt.Fprintln(io.Err, "not followed:", why)
	}
}

// watch prints calls until the context, the count, the command or the output ends, and
// then the summary.
func (f *following) watch(ctx context.Context, s *ktrap.Session, w *ktrap.Paths, out *output, io Streams) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if f.duration > 0 {
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	ended, err := command(ctx, f.cmd, cancel, io)
	if err != nil {
		return err
	}
	failed := f.calls(ctx, w, out)
	cancel()
	ended()
	failed = errors.Join(failed, s.Close())
	if failed == nil {
		failed = f.summary(w, out, io)
	}
	if errors.Is(failed, errClosedPipe) {
		fmt.Fprintln(io.Err, "the reader of the output went away: ended early")
		return nil
	}
	return failed
}

func (f *following) calls(ctx context.Context, w *ktrap.Paths, out *output) error {
	colours := palette(out.w)
	var text []byte
	var n uint64
	for c, err := range w.Calls(ctx) {
		if err != nil {
			return err
		}
		switch {
		case !c.Wanted && !f.path.Diff:
			continue
		case f.json:
			text = append(render.AppendPathJSON(text[:0], c), '\n')
		case f.path.Diff:
			continue // the comparison is what is asked for
		default:
			text = colours.AppendPath(text[:0], c)
		}
		if err := out.write(text); err != nil {
			return err
		}
		if n++; n == f.count {
			return nil
		}
	}
	return nil
}

func (f *following) summary(w *ktrap.Paths, out *output, io Streams) error {
	sum, err := w.Summary(f.top)
	if err != nil {
		return err
	}
	if f.json {
		err = out.write(append(render.AppendPathSummaryJSON(nil, sum), '\n'))
	} else {
		err = out.write(palette(out.w).AppendPathSummary(nil, sum))
	}
	err = errors.Join(err, out.Close())
	io.Err.Write(palette(io.Err).AppendPathCounts(nil, sum.Counts))
	return err
}
