package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ktrap"
	"ktrap/internal/render"
	"ktrap/internal/render/html"
	"ktrap/internal/stacks"
)

const stackLong = `Count the ways by which places in the kernel are reached: the kernel's stack, with
--user-stack that of the process above it. Stacks are counted in the kernel; Ctrl-C
ends it and prints them, the most frequent first.

--folded prints a line for each, as flame-graph tools take them; --pprof writes a
profile for go tool pprof; --html a flame graph, one file that needs no network.
For expressions see: ktrap count --help.`

// stacking is what the flags of stack ask for.
type stacking struct {
	counting
	user        bool
	folded      bool
	pprof, html string
	began       time.Time
	io          Streams
}

func newStack() *cobra.Command {
	var s stacking
	cmd := &cobra.Command{
		Use:   "stack PLACE...",
		Short: "Count the stacks that lead to places in the kernel",
		Long:  stackLong,
		Example: `  sudo ktrap stack blk_mq_submit_bio
  sudo ktrap stack vfs_read --by comm --user-stack --top 10
  sudo ktrap stack tcp_sendmsg --if 'size > 4096' --duration 10s --html stacks.html
  sudo ktrap stack 'ext4_*' --pprof stacks.pb.gz && go tool pprof -top stacks.pb.gz`,
		Args: atLeastOnePlace,
		RunE: func(cmd *cobra.Command, places []string) error {
			s.io = Streams{Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()}
			s.line.Also = s.keys()
			return s.command(cmd, places)
		},
	}
	s.common(cmd.Flags())
	s.largest(cmd.Flags())
	f := cmd.Flags()
	f.Lookup("by").Usage = "count each value of `EXPR,…` on its own, too"
	f.BoolVar(&s.user, "user-stack", false, "the process's stack, too")
	f.BoolVar(&s.folded, "folded", false, "print a line for each stack, functions separated by semicolons")
	f.StringVar(&s.pprof, "pprof", "", "write a profile for go tool pprof to `FILE`")
	f.StringVar(&s.html, "html", "", "write a flame graph to `FILE`")
	cmd.PreRun = func(*cobra.Command, []string) {
		s.text, s.also, s.began = s.print, s.files, time.Now()
		if s.json {
			s.ready = s.name
		}
	}
	return cmd
}

// keys are what entries are told apart by. A process's addresses mean nothing
// without the process.
func (s *stacking) keys() string {
	keys := []string{"kstack"}
	if s.user {
		keys = append(keys, "ustack", "pid")
	}
	return strings.Join(keys, ",")
}

func (s *stacking) print(dst []byte, p render.Palette, tables []ktrap.Table) []byte {
	for _, t := range tables {
		samples := s.samples(t)
		if s.folded {
			dst = stacks.AppendFolded(dst, samples)
		} else {
			dst = p.AppendStacks(dst, samples, t.Left, t.Rest)
		}
	}
	return dst
}

// name names the frames of processes that the tables' keys hold.
func (s *stacking) name(tables []ktrap.Table) {
	for i := range tables {
		s.missed(tables[i].NameFrames(s.written.Keys))
	}
}

func (s *stacking) samples(t ktrap.Table) []ktrap.StackSample {
	samples, gone := t.Stacks(s.written.Keys)
	s.missed(gone)
	return samples
}

// missed tells of processes that could not be asked for the names of their functions.
func (s *stacking) missed(gone []int) {
	if s.user && len(gone) > 0 {
		fmt.Fprintf(s.io.Err, "ktrap: %d processes are gone, as %d: their frames have no names\n", len(gone), gone[0])
	}
}

// files writes what is asked for besides the text, of all that was counted.
func (s *stacking) files(ctx context.Context, tables []ktrap.Table) error {
	var errs []error
	for _, t := range tables {
		write := func(file string, do func(io.Writer, []ktrap.StackSample) error) {
			if file != "" {
				errs = append(errs, writeFile(ctx, file, s.io.Out, func(w io.Writer) error { return do(w, s.samples(t)) }))
			}
		}
		write(s.pprof, func(w io.Writer, samples []ktrap.StackSample) error {
			return stacks.WritePprof(w, samples, s.began, time.Since(s.began))
		})
		write(s.html, func(w io.Writer, samples []ktrap.StackSample) error {
			return html.WriteFlame(w, strings.Join(s.line.Places, " "), samples)
		})
	}
	return errors.Join(errs...)
}
