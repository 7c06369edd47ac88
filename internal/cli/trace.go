package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ktrap"
	"ktrap/internal/render"
)

const traceExamples = `  ktrap trace unix_stream_connect
  ktrap trace 'vfs_*' --comm dd --count 100
  ktrap trace vfs_read%return --json -o reads.json
  ktrap trace tcp_v4_connect --show sk.__sk_common.skc_dport,sk.sk_uid --stack
  ktrap trace tcp_sendmsg --if 'size > 1000 && comm != "sshd"' --show 'sk.sk_sndbuf/2'
  ktrap trace vfs_read+0x4b --regs --duration 5s
  ktrap trace 'do_filp_open+0..' --once
  ktrap trace 'vfs_read@call(rw_verify_area)' --regs
  ktrap trace 0xffffffff81a2f3c0 -n`

// tracing is what the flags of trace ask for.
type tracing struct {
	config   ktrap.Config
	like     ktrap.Probe
	count    uint64
	duration time.Duration
	dryRun   bool
	json     bool
	verbose  bool
	total    bool // the summary is one of all probes, unless verbose
	output   string
	expand   func(s *ktrap.Session, place string) ([]*ktrap.Probe, error) // in place of Session.Probes
	armed    []*ktrap.Registration
}

func newTrace() *cobra.Command {
	var t tracing
	var g graduating
	cmd := &cobra.Command{
		Use:   "trace PLACE...",
		Short: "Print a line for every hit of a place in the kernel",
		Long: `Print a line for every hit: time, CPU, process/thread, name, place, and the
arguments by the names and types of the kernel's BTF. Ctrl-C ends it, detaches
everything and prints what each probe saw, lost and missed.

PLACE is [MODULE:]SYMBOL[+OFFSET], 0xADDRESS, or a pattern such as 'vfs_*'; with
%return behind it, the function's return. SYMBOL+A..B is each instruction of a
range. SYMBOL@… are the instructions that do something: @ret return, @call(NAME)
call NAME, @load(OFFSET) and @store(OFFSET) read and write a field that far from a
pointer, @insn(REGEXP) read like that.`,
		Example: traceExamples,
		Args:    atLeastOnePlace,
		RunE: func(cmd *cobra.Command, places []string) error {
			if err := t.check(cmd.Flags(), places); err != nil {
				return usageError{err}
			}
			if g.asked {
				return mistakes(cmd.ErrOrStderr(), g.print(cmd, t.output, t.line(places)))
			}
			err := t.run(cmd.Context(), places, Streams{Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()})
			return mistakes(cmd.ErrOrStderr(), err)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&t.like.Regs, "regs", false, "print the registers")
	f.BoolVar(&t.like.Stack, "stack", false, "print the kernel stack")
	f.BoolVar(&t.like.Structs, "struct", false, "print the structs that arguments point to")
	f.StringVar(&t.like.Show, "show", "", "print these too: `EXPR,…`, as sk.__sk_common.skc_dport, size/1024, str(name)")
	f.StringVar(&t.like.If, "if", "", "only hits for which `EXPR` is true, as 'size > 1000'")
	f.BoolVar(&t.like.Once, "once", false, "only the first hit of each place, which disarms it; end behind the last")
	t.hits(f)
	g.flags(f)
	t.flags(f)
	return cmd
}

// hits are the flags of commands that print an event for each hit.
func (t *tracing) hits(f *pflag.FlagSet) {
	f.Uint32Var(&t.like.PID, "pid", 0, "only hits of process `PID`")
	f.StringVar(&t.like.Comm, "comm", "", "only hits of threads named `NAME`")
	f.Uint64Var(&t.count, "count", 0, "stop after `N` events")
	f.BoolVarP(&t.dryRun, "dry-run", "n", false, "print the plan and arm nothing")
	f.BoolVar(&t.json, "json", false, "one JSON object a line, a summary last")
}

// line is what a handler file does in trace's stead: registers and structs it leaves
// to who goes on with it.
func (t *tracing) line(places []string) ktrap.OneLine {
	return ktrap.OneLine{
		Places: places, Trace: true, If: t.like.If, Show: t.like.Show, Stack: t.like.Stack,
		PID: t.like.PID, Comm: t.like.Comm,
	}
}

// flags are those that every command has that arms probes.
func (t *tracing) flags(f *pflag.FlagSet) {
	f.DurationVar(&t.duration, "duration", 0, "stop after this `TIME`, as 10s")
	f.StringVarP(&t.output, "output", "o", "", "write to `FILE`")
	f.BoolVarP(&t.verbose, "verbose", "v", false, "print the plan, and all that was left out")
	f.StringVar(&t.config.Mechanism, "mechanism", "", "attach by `WAY`: fentry, kprobe.multi or kprobe (default: the best)")
	f.BoolVar(&t.config.Unsafe, "unsafe", false, "allow places that are known to crash some kernels")
}

// check finds the mistakes that need no kernel to be found.
func (t *tracing) check(set *pflag.FlagSet, places []string) error {
	for _, text := range places {
		if err := ktrap.CheckPlace(text); err != nil {
			return err
		}
	}
	for name, wrong := range map[string]bool{"count": t.count == 0, "duration": t.duration <= 0, "pid": t.like.PID == 0} {
		if wrong && set.Changed(name) {
			return fmt.Errorf("--%s must be above 0", name)
		}
	}
	if n := len(t.like.Comm); n > ktrap.MaxComm {
		return fmt.Errorf("--comm %s: the kernel cuts a thread's name to %d bytes, this one has %d", t.like.Comm, ktrap.MaxComm, n)
	}
	ways := ktrap.Mechanisms()
	if t.config.Mechanism != "" && !slices.Contains(ways, t.config.Mechanism) {
		return fmt.Errorf("--mechanism %s: there is no such way; there are %s", t.config.Mechanism, strings.Join(ways, ", "))
	}
	return nil
}

func atLeastOnePlace(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%[1]s needs a place, as: ktrap %[1]s unix_stream_connect", cmd.Name())
	}
	return nil
}

func (t *tracing) run(ctx context.Context, places []string, io Streams) error {
	return t.arm(ctx, places, io, func(ctx context.Context, s *ktrap.Session, out *output) error {
		return t.follow(ctx, s, out, io.Err, func() error { return nil })
	})
}

// arm arms probes at places, or plans it, and hands the session over for as long as
// it is to be watched.
func (t *tracing) arm(ctx context.Context, places []string, io Streams, watch func(context.Context, *ktrap.Session, *output) error) (err error) {
	t.config.Guard = guard
	t.config.Background = true
	defer endsAtOnce(ctx, &t.config, io.Err)()
	s, err := t.config.Open(ctx)
	if err != nil {
		return err
	}
	defer func(ctx context.Context) { err = errors.Join(err, leave(ctx, s, io.Err)) }(ctx)
	probes, err := t.probes(s, places)
	if err != nil {
		return err
	}
	out, err := openOutput(ctx, t.output, io.Out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if t.dryRun {
		return t.plan(ctx, s, probes, out)
	}
	began := time.Now()
	regs, err := s.Register(ctx, probes...)
	if err != nil {
		return err
	}
	t.armed = regs
	if n := uint64(len(regs)); t.like.Once && (t.count == 0 || t.count > n) {
		t.count = n
	}
	if err := out.begin(); err != nil {
		return err
	}
	t.announce(s, regs, time.Since(began), io.Err)
	if t.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t.duration)
		defer cancel()
	}
	return watch(ctx, s, out)
}

// progress draws on a terminal how far a long attaching or detaching has got.
func progress(w io.Writer) func(bool, int, int) {
	const long = 8 // probes
	if !isTerminal(w) {
		return func(bool, int, int) {}
	}
	return func(attaching bool, attached, total int) {
		switch {
		case total < long:
		case attaching && attached == total, !attaching && attached == 0:
			fmt.Fprint(w, "\r\x1b[K")
		case attaching:
			fmt.Fprintf(w, "\rattaching: %d of %d", attached, total)
		default:
			fmt.Fprintf(w, "\rdetaching: %d of %d left", attached, total)
		}
	}
}

func (t *tracing) probes(s *ktrap.Session, places []string) ([]*ktrap.Probe, error) {
	var probes []*ktrap.Probe
	expand := t.expand
	if expand == nil {
		expand = func(s *ktrap.Session, text string) ([]*ktrap.Probe, error) { return s.Probes(text, t.like) }
	}
	for _, text := range places {
		some, err := expand(s, text)
		if err != nil {
			return nil, err
		}
		probes = append(probes, some...)
	}
	return probes, nil
}

func (t *tracing) plan(ctx context.Context, s *ktrap.Session, probes []*ktrap.Probe, out *output) error {
	p, err := s.Plan(ctx, probes...)
	if err != nil {
		return err
	}
	return t.printPlan(p, out)
}

func (t *tracing) printPlan(p *ktrap.Plan, out *output) error {
	if err := out.begin(); err != nil {
		return err
	}
	if t.json {
		return out.write(append(render.AppendPlanJSON(nil, p), '\n'))
	}
	return out.write(render.AppendPlan(nil, p))
}

// announce says on stderr what is armed and what was left out.
func (t *tracing) announce(s *ktrap.Session, regs []*ktrap.Registration, took time.Duration, w io.Writer) {
	debug.SetGCPercent(gcWatching)
	p := palette(w)
	what := regs[0].Place()
	if len(regs) > 1 {
		what = fmt.Sprintf("%d places", len(regs))
	}
	fmt.Fprintf(w, "tracing %s (attached in %v); Ctrl-C ends it\n", what, took.Round(time.Millisecond/10))
	if t.verbose {
		w.Write(render.AppendPlan(nil, ktrap.PlanOf(regs)))
	}
	w.Write(p.AppendNotes(nil, regs, s.Skipped(), t.verbose))
}

// follow prints events until the context, the count or the output ends, then what
// finish prints, and then the summary.
func (t *tracing) follow(ctx context.Context, s *ktrap.Session, out *output, stderr io.Writer, finish func() error) error {
	failed := t.events(ctx, s, out)
	failed = errors.Join(failed, s.Close())
	if failed == nil {
		failed = finish()
	}
	ledgers, err := s.Ledgers()
	if err != nil {
		return errors.Join(failed, err)
	}
	if t.json && failed == nil {
		failed = out.write(append(render.AppendSummaryJSON(nil, ledgers), '\n'))
	}
	failed = errors.Join(failed, out.Close())
	if t.total && !t.verbose {
		stderr.Write(palette(stderr).AppendTotal(nil, ledgers))
	} else {
		stderr.Write(palette(stderr).AppendSummary(nil, ledgers))
	}
	if errors.Is(failed, errClosedPipe) {
		fmt.Fprintln(stderr, "the reader of the output went away: ended early")
		return nil
	}
	return failed
}

func (t *tracing) events(ctx context.Context, s *ktrap.Session, out *output) error {
	colours := palette(out.w)
	var line []byte
	var n uint64
	for ev, err := range s.Events(ctx) {
		if err != nil {
			return err
		}
		if t.like.Quiet {
			continue // without BPF, hits can only be counted by their events
		}
		if t.json {
			line = append(render.AppendJSON(line[:0], ev), '\n')
		} else {
			line = colours.AppendText(line[:0], ev)
		}
		if err := out.write(line); err != nil {
			return err
		}
		if n++; n == t.count {
			return nil
		}
	}
	return nil
}

// palette colours what goes to a terminal, unless NO_COLOR is set.
func palette(w io.Writer) render.Palette {
	if os.Getenv("NO_COLOR") == "" && isTerminal(w) {
		return render.Colours
	}
	return render.Palette{}
}
