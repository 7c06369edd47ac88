package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ktrap"
)

const listLong = `List all probes on this machine, whoever armed them: through BPF, perf, tracefs
or a kernel module; where they are, their state, and who holds them. Events that
were made through tracefs and that nobody uses are listed as left over.

It needs root. What could not be looked at is told on stderr.`

func newList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List all probes armed on this machine, whoever armed them",
		Long:    listLong,
		Example: "  sudo ktrap list\n  sudo ktrap list --json | jq '.probes[] | select(.event.orphan)'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			listing, err := ktrap.List()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), listing)
			}
			for _, unseen := range listing.Unseen {
				fmt.Fprintln(cmd.ErrOrStderr(), "not seen:", unseen)
			}
			return printListing(cmd.OutOrStdout(), listing)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as one JSON object")
	return cmd
}

func printListing(w io.Writer, l *ktrap.Listing) error {
	if len(l.Probes) == 0 {
		_, err := fmt.Fprintln(w, "no probes")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ADDRESS\tPLACE\tKIND\tSTATE\tBY")
	for i := range l.Probes {
		p := &l.Probes[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", address(p), where(p), p.Kind, state(p), by(p))
	}
	return table.Flush()
}

func address(p *ktrap.ListedProbe) string {
	if p.Addr == 0 {
		return "-"
	}
	return p.Addr.String()
}

// where names no more functions than fit beside the rest.
func where(p *ktrap.ListedProbe) string {
	const shown = 3
	switch n := len(p.Functions); {
	case n > shown:
		return fmt.Sprintf("%s and %d more", strings.Join(p.Functions[:shown], ","), n-shown)
	case n > 0:
		return strings.Join(p.Functions, ",")
	case len(p.OneOf) == 1:
		return p.OneOf[0]
	case p.OneOf != nil:
		return "one of " + strings.Join(p.OneOf, ",")
	case p.Place.Symbol == "" && p.Place.Addr == 0:
		return "(not told by this kernel)"
	}
	return p.Place.String()
}

func state(p *ktrap.ListedProbe) string {
	var words []string
	for _, flag := range []struct {
		is   bool
		word string
	}{
		{p.State.Gone, "gone"}, {p.State.Disabled, "disabled"},
		{p.State.Optimized, "optimized"}, {p.State.Ftrace, "ftrace"},
	} {
		if flag.is {
			words = append(words, flag.word)
		}
	}
	if words == nil {
		return "-"
	}
	return strings.Join(words, ",")
}

func by(p *ktrap.ListedProbe) string {
	var parts []string
	if p.Event != nil {
		parts = append(parts, eventText(p.Event))
	}
	if p.Program != nil {
		parts = append(parts, programText(p.Program))
	}
	if p.Callback != "" {
		parts = append(parts, "calls "+p.Callback)
	}
	if parts == nil {
		return strings.Join(append(p.Maybe, "a kernel module, or perf"), ", ")
	}
	return strings.Join(parts, "; ")
}

func eventText(e *ktrap.ListedEvent) string {
	text := "event " + e.Name
	switch {
	case e.Remover != 0:
		return fmt.Sprintf("%s, being removed by process %d", text, e.Remover)
	case e.Orphan:
		return text + ", left over: nobody uses it"
	case !e.Enabled:
		return text + ", not enabled"
	case e.Counts == nil:
		return text
	}
	return fmt.Sprintf("%s, %d hits, %d missed", text, e.Counts.Hits, e.Counts.Missed)
}

func programText(p *ktrap.ListedProgram) string {
	text := fmt.Sprintf("program %s (%d)", p.Name, p.ID)
	if p.Missed > 0 {
		text += fmt.Sprintf(", %d missed", p.Missed)
	}
	if len(p.Owners) == 0 {
		return text + ", held by no process: pinned"
	}
	var owners []string
	for _, o := range p.Owners {
		owners = append(owners, fmt.Sprintf("%s[%d]", o.Comm, o.PID))
	}
	slices.Sort(owners)
	return text + " of " + strings.Join(slices.Compact(owners), ", ")
}
