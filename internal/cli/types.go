package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"ktrap"
)

const typesLong = `Write the file that lets editors, go vet and go test read handlers: the words that a
handler may use, and the kernel's types that the handlers name, with those near them.
It is ktrap_types.go in the folder of FILE.go, and serves all files of its package
there, tests too; with no file it is for the folder at hand. ktrap does not read it.

Write it anew when a handler names what it does not know. No other file is ever
overwritten.`

// typing is what the flags of types ask for.
type typing struct {
	compiler ktrap.Compiler
	near     int
	output   string
}

func newTypes() *cobra.Command {
	var t typing
	cmd := &cobra.Command{
		Use:   "types [FILE.go]",
		Short: "Write what an editor needs to read handlers",
		Long:  typesLong,
		Example: `  ktrap types busy.go
  ktrap types busy.go --btf /boot/vmlinuz-6.12.0-1-amd64
  ktrap types && go vet && go test`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("types takes one file, and writes for all of its package: ktrap types busy.go")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "."
			if len(args) > 0 {
				path = args[0]
			}
			return mistakes(cmd.ErrOrStderr(), t.run(cmd.Context(), path, cmd.OutOrStdout()))
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.compiler.BTF, "btf", "", "take the kernel's types from `FILE`: BTF, or a vmlinuz or vmlinux")
	f.IntVar(&t.near, "near", 1, "write types in full up to `N` steps from those that the handlers touch")
	f.StringVarP(&t.output, "output", "o", "", "write to `FILE`")
	return cmd
}

func (t *typing) run(ctx context.Context, path string, out io.Writer) error {
	if t.near < 0 || t.near > 100 {
		return usagef("--near %d: it takes a number from 0 to 100", t.near)
	}
	file, err := t.compiler.Editor(path, t.near)
	if err != nil {
		return err
	}
	name := cmp.Or(t.output, file.Name)
	old, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("write the types: %w", err)
	case bytes.Equal(old, file.Text):
		return nil
	case len(old) > 0 && !ktrap.IsEditorFile(old):
		return fmt.Errorf("write the types: %s is there, and not by ktrap types: give another name with -o", name)
	}
	return writeFile(ctx, name, out, func(w io.Writer) error {
		_, err := w.Write(file.Text)
		return err
	})
}
