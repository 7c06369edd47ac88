package cli

import (
	"bytes"
	"context"

	"github.com/spf13/cobra"

	"ktrap"
	"ktrap/internal/render"
	"ktrap/internal/render/html"
)

const coverLong = `Count how often each basic block of functions runs, and each edge between them, and
print the functions' instructions with the counts: what never runs is dimmed. A block
is counted at one instruction; how often an edge was taken follows from the blocks at
its ends, or is counted at the jump. Ctrl-C ends it, or the end of CMD, detaches
everything and prints. Calls of all threads count, not only CMD's, but for --pid and
--comm.

What enters a block leaves it: where the counts say otherwise, the summary tells by how
much. Calls that were under way when it began or ended, and missed hits, make that.`

// covering is what the flags of cover ask for.
type covering struct {
	tracing
	how  ktrap.Disassembler
	html bool
	cmd  []string // to run meanwhile
}

func newCover() *cobra.Command {
	var c covering
	cmd := &cobra.Command{
		Use:   "cover FUNC... [-- CMD...]",
		Short: "Show which blocks and edges of functions run, and how often",
		Long:  coverLong,
		Example: `  sudo ktrap cover vfs_read --duration 10s
  sudo ktrap cover do_sys_openat2 path_openat --comm cat
  sudo ktrap cover tcp_sendmsg_locked --source
  sudo ktrap cover tcp_v4_rcv --once --duration 1m
  sudo ktrap cover unix_stream_connect --html -o coverage.html
  sudo ktrap cover vfs_statx --comm find -- find /etc -newer /etc/passwd
  sudo ktrap cover vfs_write -n`,
		Args: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				c.cmd, args = args[at:], args[:at]
				if len(c.cmd) == 0 {
					return usagef("there is no command behind --")
				}
			}
			if len(args) == 0 {
				return usagef("cover needs a function, as: ktrap cover vfs_read")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, functions []string) error {
			functions = functions[:len(functions)-len(c.cmd)]
			if err := c.check(cmd.Flags(), functions); err != nil {
				return usageError{err}
			}
			if c.html && c.json {
				return usagef("--json and --html are two forms: choose one")
			}
			return c.run(cmd.Context(), functions, Streams{In: cmd.InOrStdin(), Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()})
		},
	}
	f := cmd.Flags()
	f.Uint32Var(&c.like.PID, "pid", 0, "only in process `PID`")
	f.StringVar(&c.like.Comm, "comm", "", "only in threads named `NAME`")
	f.BoolVarP(&c.dryRun, "dry-run", "n", false, "print the plan and arm nothing")
	f.BoolVar(&c.json, "json", false, "one JSON object a function, a summary last")
	f.BoolVar(&c.html, "html", false, "write a page to look at: the control flow and the listing, coloured by how often what ran")
	f.BoolVar(&c.like.Once, "once", false, "only find out what runs: each place is left alone behind its first hit, and costs no more")
	f.BoolVar(&c.how.Intel, "intel", false, "Intel's syntax instead of AT&T's")
	f.BoolVar(&c.how.Source, "source", false, "show the lines of source, out of the kernel's DWARF (Debian's -dbg package)")
	f.StringVar(&c.how.DWARF, "dwarf", "", "take the lines of source from `FILE`, a vmlinux with DWARF")
	c.flags(f)
	return cmd
}

func (c *covering) run(ctx context.Context, functions []string, io Streams) error {
	if err := findCommand(c.cmd); err != nil {
		return err
	}
	c.how.Source = c.how.Source || c.how.DWARF != ""
	c.like.Quiet, c.total = true, true
	var covers []*ktrap.Cover
	c.expand = func(s *ktrap.Session, text string) ([]*ktrap.Probe, error) {
		cover, err := s.Cover(text, c.like, c.how)
		if err != nil {
			return nil, err
		}
		covers = append(covers, cover)
		return cover.Probes(), nil
	}
	return c.arm(ctx, functions, io, func(ctx context.Context, s *ktrap.Session, out *output) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		ended, err := command(ctx, c.cmd, cancel, io)
		if err != nil {
			return err
		}
		defer func() {
			cancel()
			ended()
		}()
		return c.follow(ctx, s, out, io.Err, func() error { return c.print(covers, out) })
	})
}

func (c *covering) print(covers []*ktrap.Cover, out *output) error {
	var all []*ktrap.Coverage
	for _, cover := range covers {
		coverage, err := cover.Coverage(c.armed)
		if err != nil {
			return err
		}
		all = append(all, coverage)
	}
	var text []byte
	if c.html {
		var page bytes.Buffer
		if err := html.WriteCoverage(&page, all); err != nil {
			return err
		}
		return out.write(page.Bytes())
	}
	colours := palette(out.w)
	for _, coverage := range all {
		if c.json {
			text = append(render.AppendCoverageJSON(text, coverage), '\n')
		} else {
			text = colours.AppendCoverage(text, coverage)
		}
	}
	return out.write(text)
}
