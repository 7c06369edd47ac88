package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ktrap"
	"ktrap/internal/render/html"
)

const buildLong = `Compile a file of handlers and print the programs: each instruction below the line
of Go that caused it. Nothing is loaded, and no rights are needed.

The kernel's types are those of the running kernel, or with --btf of another one:
its BTF, or its image.`

// building is what the flags of build ask for.
type building struct {
	compiler ktrap.Compiler
	phases   string
	json     bool
	output   string
}

func newBuild() *cobra.Command {
	var b building
	cmd := &cobra.Command{
		Use:   "build FILE.go",
		Short: "Compile a file of handlers, and print what each line became",
		Long:  buildLong,
		Example: `  ktrap build busy.go --probe tcp_sendmsg
  ktrap build busy.go --btf /boot/vmlinuz-6.12.0-1-amd64 --phases busy.html`,
		Args: cobra.MatchAll(func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("build compiles one file, as: ktrap build busy.go")
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, args []string) error { return b.run(cmd, args[0]) },
	}
	f := cmd.Flags()
	placed(f, &b.compiler.Place, "compile for `PLACE` what the file names no place for")
	f.StringVar(&b.compiler.BTF, "btf", "", "take the kernel's types from `FILE`: BTF, or a vmlinuz or vmlinux")
	f.StringVar(&b.compiler.Mechanism, "mechanism", "", "compile for `WAY` to be called: fentry, kprobe, kprobe.multi, event")
	f.BoolVar(&b.compiler.Helpers, "helpers", false, "read the kernel by helpers alone, as before 6.2")
	f.StringVar(&b.phases, "phases", "", "write what each pass of the compiler left to `FILE`, as HTML")
	f.BoolVar(&b.json, "json", false, "print one JSON object")
	f.StringVarP(&b.output, "output", "o", "", "write to `FILE`")
	return cmd
}

func (b *building) run(cmd *cobra.Command, file string) error {
	if place := b.compiler.Place; place != "" {
		if err := ktrap.CheckPlace(place); err != nil {
			return usageError{err}
		}
	}
	b.compiler.Phases = b.phases != ""
	compiled, err := b.compiler.File(file)
	if err != nil {
		return mistakes(cmd.ErrOrStderr(), err)
	}
	out := cmd.OutOrStdout()
	if b.phases != "" {
		if err := writeFile(cmd.Context(), b.phases, out, func(w io.Writer) error {
			return html.WritePhases(w, compiled)
		}); err != nil {
			return err
		}
	}
	return writeFile(cmd.Context(), b.output, out, func(w io.Writer) error {
		if b.json {
			return printJSON(w, compiled)
		}
		_, err := w.Write(palette(w).AppendCompiled(nil, compiled))
		return err
	})
}

// mistakes prints those of a handler file with their lines of source.
func mistakes(w io.Writer, err error) error {
	var source *ktrap.SourceError
	if !errors.As(err, &source) {
		return err
	}
	fmt.Fprintln(w, source.Render())
	return exitError(exitFailed)
}
