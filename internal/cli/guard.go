package cli

import (
	"github.com/spf13/cobra"

	"ktrap"
)

// guard is how this program starts itself as the guard of tracefs events.
var guard = []string{"/proc/self/exe", "guard"}

func newGuard() *cobra.Command {
	return &cobra.Command{
		Use:    "guard GROUP",
		Short:  "Remove what a process that ended, or has no time, leaves armed",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return ktrap.Guard(args[0], cmd.InOrStdin())
		},
	}
}
