package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ktrap"
	"ktrap/internal/render"
)

const countLong = `Count how often places in the kernel are hit: each place on its own, or by the
values of expressions; with --sum, what an expression adds up to, and its average,
least and greatest. Counts are made in the kernel; Ctrl-C ends them and prints them.

An expression is Go over the function's parameters, as sk.__sk_common.skc_dport;
over retval at a return; and over the words of docs/HANDLERS.md, as comm, pid, tid,
uid, cpu, cgroup, place, kstack, str(p), arg(0). What finds no room in a table of
10,240 entries is added up exactly, as (other).`

const histLong = `Count how often an expression has which values: by powers of two, or by steps of
one width. Values are counted in the kernel; Ctrl-C ends it and prints a histogram,
or one for each value of --by. For expressions see: ktrap count --help.`

// counting is what the flags of count and hist ask for.
type counting struct {
	running
	line     ktrap.OneLine
	linear   string
	graduate graduating
	written  ktrap.Written
}

func newCount() *cobra.Command {
	var c counting
	cmd := &cobra.Command{
		Use:   "count PLACE...",
		Short: "Count hits of places in the kernel, by any expression",
		Long:  countLong,
		Example: `  sudo ktrap count 'vfs_*'
  sudo ktrap count tcp_sendmsg --by comm
  sudo ktrap count vfs_read --by 'comm,file.f_mode' --if 'count > 4096' --top 10
  sudo ktrap count vfs_read%return --sum retval --by pid --interval 1s
  ktrap count vfs_read --by comm --graduate`,
		Args: atLeastOnePlace,
		RunE: func(cmd *cobra.Command, places []string) error { return c.command(cmd, places) },
	}
	c.common(cmd.Flags())
	c.largest(cmd.Flags())
	cmd.Flags().StringVar(&c.line.Sum, "sum", "", "count, sum, average, least and greatest of `EXPR`")
	return cmd
}

func newHist() *cobra.Command {
	var c counting
	cmd := &cobra.Command{
		Use:   "hist PLACE... EXPR",
		Short: "Draw which values an expression has at places in the kernel",
		Long:  histLong,
		Example: `  sudo ktrap hist vfs_read count
  sudo ktrap hist vfs_read%return retval --by comm
  sudo ktrap hist tcp_sendmsg size --linear 0..4096/256
  ktrap hist vfs_read count --graduate`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("hist needs a place and an expression, as: ktrap hist vfs_read count")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.line.Hist = args[len(args)-1]
			return c.command(cmd, args[:len(args)-1])
		},
	}
	c.common(cmd.Flags())
	c.largest(cmd.Flags())
	cmd.Flags().StringVar(&c.linear, "linear", "", "count by steps: `STEP`, or LEAST..MOST/STEP (default: powers of two)")
	return cmd
}

func (c *counting) common(f *pflag.FlagSet) {
	f.StringVar(&c.line.By, "by", "", "count each value of `EXPR,…` on its own")
	f.StringVar(&c.line.If, "if", "", "count only hits for which `EXPR` is true")
	f.Uint32Var(&c.line.PID, "pid", 0, "only hits of process `PID`")
	f.StringVar(&c.line.Comm, "comm", "", "only hits of threads named `NAME`")
	f.DurationVar(&c.interval, "interval", 0, "print every `TIME`, as 1s, not only at the end")
	f.BoolVarP(&c.dryRun, "dry-run", "n", false, "print the plan and arm nothing")
	f.BoolVar(&c.json, "json", false, "one JSON object a line, a summary last")
	c.graduate.flags(f)
	c.flags(f)
}

func (c *counting) largest(f *pflag.FlagSet) {
	f.IntVar(&c.top, "top", 0, "print the `N` largest, and the rest as one")
}

func (c *counting) command(cmd *cobra.Command, places []string) error {
	c.line.Places, c.like.Comm, c.like.PID = places, c.line.Comm, c.line.PID
	if err := c.check(cmd.Flags(), places); err != nil {
		return usageError{err}
	}
	var err error
	if c.line.Steps, err = parseSteps(c.linear); err != nil {
		return usageError{err}
	}
	if c.graduate.asked {
		return mistakes(cmd.ErrOrStderr(), c.graduate.print(cmd, c.output, c.line))
	}
	return mistakes(cmd.ErrOrStderr(), c.start(cmd.Context(), Streams{Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}))
}

func (c *counting) check(set *pflag.FlagSet, places []string) error {
	if err := c.tracing.check(set, places); err != nil {
		return err
	}
	if c.top < 0 || c.top == 0 && set.Changed("top") {
		return errors.New("--top must be above 0")
	}
	if c.interval <= 0 && set.Changed("interval") {
		return errors.New("--interval must be above 0")
	}
	for _, name := range []string{"by", "if", "sum"} {
		if f := set.Lookup(name); f != nil && f.Changed && strings.TrimSpace(f.Value.String()) == "" {
			return fmt.Errorf("--%s needs an expression, as: --%s comm", name, name)
		}
	}
	return nil
}

// steps of a linear histogram where nothing is said but their width.
const steps = 100

// parseSteps reads STEP or LEAST..MOST/STEP.
func parseSteps(text string) (scale [3]int64, err error) {
	if text == "" {
		return scale, nil
	}
	bounds, step, ranged := strings.Cut(text, "/")
	if !ranged {
		bounds, step = "", text
	}
	malformed := fmt.Errorf("--linear %s: it takes a STEP above 0, as 10, or LEAST..MOST/STEP, as 0..1000/10", text)
	if scale[2], err = strconv.ParseInt(step, 0, 64); err != nil || scale[2] <= 0 || scale[2] > 1<<56 {
		return scale, malformed
	}
	scale[1] = steps * scale[2]
	if ranged {
		least, most, ok := strings.Cut(bounds, "..")
		var errs [2]error
		scale[0], errs[0] = strconv.ParseInt(least, 0, 64)
		scale[1], errs[1] = strconv.ParseInt(most, 0, 64)
		if !ok || errors.Join(errs[:]...) != nil || scale[0] >= scale[1] {
			return scale, malformed
		}
	}
	return scale, nil
}

// start counts: what needs no handler is counted by the probes themselves.
func (c *counting) start(ctx context.Context, io Streams) error {
	if c.text == nil {
		c.text = c.counts
	}
	if !c.line.Latency && c.line.By == "" && c.line.Also == "" && c.line.Sum == "" && c.line.Hist == "" {
		c.written.Keys = []string{"place"}
		return c.tally(ctx, io)
	}
	c.write = func(s *ktrap.Session) (file ktrap.HandlerFile, err error) {
		c.written, err = s.Graduate(c.line)
		return c.written.HandlerFile, err
	}
	return c.run(ctx, io)
}

// tally counts hits of places, and no more.
func (c *counting) tally(ctx context.Context, io Streams) error {
	c.like.Quiet, c.like.If = true, c.line.If
	return c.arm(ctx, c.line.Places, io, func(ctx context.Context, s *ktrap.Session, out *output) error {
		return c.watch(ctx, s, func() ([]ktrap.Table, error) {
			t, err := s.Counts()
			return []ktrap.Table{t}, err
		}, out, io.Err)
	})
}

func (c *counting) counts(dst []byte, p render.Palette, tables []ktrap.Table) []byte {
	if c.line.Latency {
		return p.AppendLatency(dst, named(tables, c.written.Table), named(tables, c.written.Total))
	}
	for _, t := range tables {
		dst = p.AppendCounts(dst, t, c.written.Keys)
	}
	return dst
}
