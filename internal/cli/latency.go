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
docs/HANDLERS.md, as comm, pid, uid, cpu, str(p). A return is paired with the entry
of its own call, or not counted: the summary says how many were not paired.`

func newLatency() *cobra.Command {
	var c counting
	cmd := &cobra.Command{
		Use:   "latency FUNC...",
		Short: "Time calls of functions in the kernel, by any expression",
		Long:  latencyLong,
		Example: `  sudo ktrap latency vfs_read
  sudo ktrap latency vfs_read --by 'comm' --if 'count > 4096'
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
	return cmd
}

func named(tables []ktrap.Table, name string) ktrap.Table {
	for _, t := range tables {
		if t.Name == name {
			return t
		}
	}
	return ktrap.Table{}
}
