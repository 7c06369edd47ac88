package cli

import (
	"github.com/spf13/cobra"

	"ktrap"
)

const latencyLong = `Time calls of functions, from the entry to the return: count, average, least,
greatest and total, and a histogram by powers of two; one for each value of --by.
Times are added up in the kernel; Ctrl-C ends it and prints them.

The expressions of --by and --if are computed at the entry: they are Go over the
function's parameters, as sk.__sk_common.skc_family, and over the words of
docs/HANDLERS.md, as comm, pid, uid, cpu, str(p). One that names retval is computed
at the return: what the function was given is in it as it was at the entry, and what
that leads to as it is at the return. A return is paired with the entry of its own
call, or not counted: the summary says how many were not paired.

--top leaves those that took the longest in all.`

func newLatency() *cobra.Command {
	var c counting
	cmd := &cobra.Command{
		Use:   "latency FUNC...",
		Short: "Time calls of functions in the kernel, by any expression",
		Long:  latencyLong,
		Example: `  sudo ktrap latency vfs_read
  sudo ktrap latency vfs_read --by 'comm' --if 'count > 4096' --top 10
  sudo ktrap latency vfs_read --by 'comm,retval < 0' --if 'retval != 0'
  sudo ktrap latency tcp_sendmsg --by 'sk.__sk_common.skc_family' --interval 1s
  sudo ktrap latency 'vfs_*' --duration 10s --json
  ktrap latency vfs_read --by comm --graduate`,
		Args: atLeastOnePlace,
		RunE: func(cmd *cobra.Command, places []string) error {
			c.line.Latency = true
			return c.command(cmd, places)
		},
	}
	c.common(cmd.Flags())
	c.largest(cmd.Flags())
	cmd.PreRun = func(*cobra.Command, []string) { c.ready = c.alike }
	return cmd
}

// alike brings the histograms into the order of the sums.
func (c *counting) alike(tables []ktrap.Table) {
	for i := range tables {
		if tables[i].Name == c.written.Table {
			tables[i].Like(named(tables, c.written.Total))
		}
	}
}

func named(tables []ktrap.Table, name string) ktrap.Table {
	for _, t := range tables {
		if t.Name == name {
			return t
		}
	}
	return ktrap.Table{}
}
