package cli

import (
	"github.com/spf13/cobra"

	"ktrap"
)

const stepLong = `Print what each execution of an instruction did: the registers, flags and operand in
memory that changed, from what to what, and where it led if not to the instruction
behind it. Addresses of the kernel's text and data have names. Ctrl-C ends it.

FUNC+A..B is every instruction of a range: a single-step through a function, in
the order in which each thread ran them. Instructions where no probe can stand, or
whose outcome can't be known, are left out; ktrap why tells the reason.`

func newStep() *cobra.Command {
	t := tracing{like: ktrap.Probe{Post: ktrap.Func(func(*ktrap.Event) {})}}
	cmd := &cobra.Command{
		Use:   "step PLACE...",
		Short: "Show what an instruction does to registers and memory, each time it runs",
		Long:  stepLong,
		Example: `  sudo ktrap step vfs_read+0x2b --count 10
  sudo ktrap step 'vfs_read+0..0x80' --comm dd
  sudo ktrap step do_sys_openat2+0x4b path_openat+0x12 --json -o steps.json
  sudo ktrap step 'ksys_read@call(vfs_read)' --if 'r.dx > 4096' --show 'cast[file](r.di).f_pos'
  sudo ktrap step __x64_sys_umask+0..0x30 --intel -n`,
		Args: atLeastOnePlace,
		RunE: func(cmd *cobra.Command, places []string) error {
			if err := t.check(cmd.Flags(), places); err != nil {
				return usageError{err}
			}
			return t.run(cmd.Context(), places, Streams{Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()})
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.like.If, "if", "", "only executions for which `EXPR` is true before, as 'r.ax == 0'")
	f.StringVar(&t.like.Show, "show", "", "print these before and after: `EXPR,…`, as 'cast[sock](r.bx).sk_sndbuf'")
	f.BoolVar(&t.like.Memory, "memory", true, "read the instruction's operand in memory, before and after")
	f.BoolVar(&t.config.Intel, "intel", false, "Intel's syntax of instructions")
	t.hits(f)
	t.flags(f)
	return cmd
}
