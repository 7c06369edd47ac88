package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ktrap"
	"ktrap/internal/render"
)

const runLong = `Compile a file of handlers, written in Go, load them into the running kernel and
print what they send; at the end, or every --interval, the file's variables: numbers,
maps and histograms. docs/HANDLERS.md has the language.

Ctrl-C ends it and detaches everything.`

// running is what the flags of run ask for.
type running struct {
	tracing
	file     ktrap.HandlerFile
	write    func(*ktrap.Session) (ktrap.HandlerFile, error) // file, if that takes a session
	text     func(dst []byte, p render.Palette, tables []ktrap.Table) []byte
	also     func(context.Context, []ktrap.Table) error // at the end, besides printing
	ready    func([]ktrap.Table)                        // what is done to tables before they are cut and printed
	top      int                                        // entries of a table; 0 for all
	interval time.Duration
	stdin    bool
}

func newRun() *cobra.Command {
	var r running
	cmd := &cobra.Command{
		Use:   "run FILE.go",
		Short: "Run handlers written in Go in the kernel",
		Long:  runLong,
		Example: `  sudo ktrap run busy.go
  sudo ktrap run count.go --probe 'vfs_*' --interval 1s
  sudo ktrap run opens.go --set min=4096 --duration 10s --json
  (sleep 5; echo min=8192; sleep 5; echo probe=vfs_write) | sudo ktrap run opens.go --probe vfs_read --stdin
  sudo ktrap run latency.go -n`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("run takes one file, as: ktrap run busy.go")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r.file.Name = args[0]
			if err := r.check(cmd.Flags(), nil); err != nil {
				return usageError{err}
			}
			if r.file.Place != "" {
				if err := ktrap.CheckPlace(r.file.Place); err != nil {
					return usageError{err}
				}
			}
			err := r.run(cmd.Context(), Streams{Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()})
			return mistakes(cmd.ErrOrStderr(), err)
		},
	}
	f := cmd.Flags()
	placed(f, &r.file.Place, "run at `PLACE` what the file names no place for")
	f.StringToStringVar(&r.file.Set, "set", nil, "begin with another value of a variable: `NAME=VALUE`")
	f.BoolVar(&r.stdin, "stdin", false, "while it runs, set variables by lines NAME=VALUE of the standard input; probe=PLACE moves what --probe placed")
	f.DurationVar(&r.interval, "interval", 0, "print the variables every `TIME`, as 1s, not only at the end")
	f.Uint64Var(&r.count, "count", 0, "stop after `N` records")
	f.BoolVarP(&r.dryRun, "dry-run", "n", false, "print the plan and load nothing")
	f.BoolVar(&r.json, "json", false, "one JSON object a line, the variables and a summary last")
	r.flags(f)
	return cmd
}

// placed adds the flag for the place of handlers that name none, which may also be
// called as the parameter of the kernel-module template is.
func placed(f *pflag.FlagSet, at *string, usage string) {
	f.StringVar(at, "probe", "", usage+"; --symbol is the same")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "symbol" {
			name = "probe"
		}
		return pflag.NormalizedName(name)
	})
}

func (r *running) run(ctx context.Context, io Streams) (err error) {
	r.config.Guard, r.config.Background = guard, true
	defer endsAtOnce(ctx, &r.config, io.Err)()
	s, err := r.config.Open(ctx)
	if err != nil {
		return err
	}
	defer func(ctx context.Context) { err = errors.Join(err, leave(ctx, s, io.Err)) }(ctx)
	if r.write != nil {
		if r.file, err = r.write(s); err != nil {
			return err
		}
	}
	script, err := s.Script(r.file)
	if err != nil {
		return err
	}
	out, err := openOutput(ctx, r.output, io.Out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if r.dryRun {
		plan, err := script.Plan(ctx)
		if err != nil {
			return err
		}
		return r.printPlan(plan, out)
	}
	began := time.Now()
	if err := script.Run(ctx); err != nil {
		return err
	}
	if err := out.begin(); err != nil {
		return err
	}
	r.announce(s, script.Registrations(), time.Since(began), io.Err)
	if r.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.duration)
		defer cancel()
	}
	if r.stdin {
		go change(ctx, script, os.Stdin, io.Err)
	}
	return r.watch(ctx, s, script.Tables, out, io.Err)
}

// watch follows a session, and prints the tables at its end and each interval.
func (r *running) watch(ctx context.Context, s *ktrap.Session, tables func() ([]ktrap.Table, error), out *output, stderr io.Writer) error {
	stop := r.every(ctx, tables, out)
	return r.follow(ctx, s, out, stderr, func() error {
		stop()
		return errors.Join(r.finish(ctx, tables), r.print(tables, out))
	})
}

func (r *running) finish(ctx context.Context, read func() ([]ktrap.Table, error)) error {
	if r.also == nil {
		return nil
	}
	tables, err := read()
	if err != nil {
		return err
	}
	return r.also(context.WithoutCancel(ctx), tables)
}

// every prints the tables each interval until it is stopped.
func (r *running) every(ctx context.Context, tables func() ([]ktrap.Table, error), out *output) (stop func()) {
	if r.interval <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(r.interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				// What can't be written is told by the last tables, or by an event.
				_ = r.print(tables, out)
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func (r *running) print(read func() ([]ktrap.Table, error), out *output) error {
	tables, err := read()
	if err != nil || len(tables) == 0 {
		return err
	}
	if r.ready != nil {
		r.ready(tables)
	}
	for i := range tables {
		tables[i].Top(r.top)
	}
	if r.json {
		return out.write(append(render.AppendTablesJSON(nil, tables), '\n'))
	}
	text := r.appendTables(palette(out.w), tables)
	if r.interval > 0 {
		text = fmt.Appendf(nil, "%s\n%s", time.Now().Format(time.TimeOnly), text)
	}
	return out.write(text)
}

func (r *running) appendTables(p render.Palette, tables []ktrap.Table) []byte {
	if r.text != nil {
		return r.text(nil, p, tables)
	}
	return p.AppendTables(nil, tables)
}
