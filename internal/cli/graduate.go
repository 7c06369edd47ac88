package cli

import (
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ktrap"
)

// graduating is the flag by which a command that needs no handler file prints the
// one that it stands for.
type graduating struct {
	asked bool
	btf   string
}

func (g *graduating) flags(f *pflag.FlagSet) {
	f.BoolVar(&g.asked, "graduate", false, "print the handler file that this stands for, for: ktrap run FILE.go")
	f.StringVar(&g.btf, "btf", "", "with --graduate: take the kernel's types from `FILE`: BTF, or a vmlinuz or vmlinux")
}

// print writes the file that a line stands for, to output or stdout.
func (g *graduating) print(cmd *cobra.Command, output string, line ktrap.OneLine) error {
	w, err := ktrap.Compiler{BTF: g.btf}.Graduate(line)
	if err != nil {
		return err
	}
	return printFile(cmd, output, w.Text)
}

// printFile writes a handler file's text to output or stdout.
func printFile(cmd *cobra.Command, output string, text []byte) error {
	return writeFile(cmd.Context(), output, cmd.OutOrStdout(), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
