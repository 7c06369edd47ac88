package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"ktrap"
)

const doctorLong = `Look at the running kernel and say what it can do here and now, what it can't,
why, and what to do about it. Nothing is armed. It needs no rights, but only
root learns everything.

The exit code is 0 if ktrap trace can work here, 1 if not.`

func newDoctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Say what this kernel can do, what it can't, and why",
		Long:    doctorLong,
		Example: "  ktrap doctor\n  sudo ktrap doctor\n  ktrap doctor --json | jq .obstacle",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			diagnosis := ktrap.Doctor()
			if err := printDiagnosis(cmd.OutOrStdout(), diagnosis, asJSON); err != nil {
				return err
			}
			if diagnosis.Obstacle != nil {
				return exitError(exitFailed)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as one JSON object")
	return cmd
}

// noArgs is cobra's, as a usage error.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

func printDiagnosis(w io.Writer, d *ktrap.Diagnosis, asJSON bool) error {
	if asJSON {
		return printJSON(w, d)
	}
	_, err := io.WriteString(w, diagnosisText(d, inColour(w)))
	return err
}

func printJSON(w io.Writer, v any) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// printJSONLine prints one object a line.
func printJSONLine(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }

// inColour reports whether w is a terminal whose user wants colours.
func inColour(w io.Writer) bool {
	file, isFile := w.(*os.File)
	return isFile && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == ""
}

func diagnosisText(d *ktrap.Diagnosis, colour bool) string {
	text := fmt.Sprintf("Linux %s on %s, %d of %d CPUs online\n", d.Release, d.Arch, d.Online, d.Possible)
	var group string
	told := map[string]bool{"": true}
	for _, a := range d.Abilities {
		if a.Group != group {
			group = a.Group
			text += "\n" + group + "\n"
		}
		text += abilityText(a, told, colour)
	}
	if d.Obstacle == nil {
		return text + "\nktrap trace can work here.\n"
	}
	text += "\nktrap trace can't work here: " + d.Obstacle.Why + ".\n"
	if d.Obstacle.Mend != "" {
		text += "First: " + d.Obstacle.Mend + "\n"
	}
	return text
}

// abilityText tells each reason and each mend once: one lack often has a row of
// consequences.
func abilityText(a ktrap.Ability, told map[string]bool, colour bool) string {
	text := fmt.Sprintf("  %s %-19s %s", mark(a.State, colour), a.Name, a.For)
	switch {
	case a.State == "yes":
	case told[a.Why]:
		text += ": as above"
	default:
		text += ": " + a.Why
	}
	if !told[a.Mend] {
		text += "\n" + fmt.Sprintf("  %21s → %s", "", a.Mend)
	}
	told[a.Why], told[a.Mend] = true, true
	return text + "\n"
}

func mark(state string, colour bool) string {
	sign := map[string][2]string{
		"yes": {"✓", "32"}, "no": {"✗", "31"}, "unknown": {"?", "33"},
	}[state]
	if !colour {
		return sign[0]
	}
	return "\x1b[" + sign[1] + "m" + sign[0] + "\x1b[0m"
}
