package cli

import (
	"io"

	"github.com/spf13/cobra"

	"ktrap"
	"ktrap/internal/render"
	"ktrap/internal/render/html"
)

const disasmLong = `Show the code of a function, or of a range, with a mark at each instruction: how
a probe there would work, or that none can stand there; where blocks begin, and
what the running kernel patches.

As root it is the code that runs. Otherwise, or with --image, it is that of an
image, before the kernel has patched it.`

// disassembling is what the flags of disasm ask for.
type disassembling struct {
	how    ktrap.Disassembler
	image  string
	raw    bool
	json   bool
	html   bool
	output string
}

func newDisasm() *cobra.Command {
	var d disassembling
	cmd := &cobra.Command{
		Use:   "disasm PLACE",
		Short: "Show a function's instructions, and which of them can be probed how",
		Long:  disasmLong,
		Example: `  sudo ktrap disasm unix_stream_connect
  sudo ktrap disasm vfs_read+0x20..0x60 --intel
  ktrap disasm schedule --image /boot/vmlinuz-6.12.0-1-amd64 --source
  ktrap disasm vfs_read --image vmlinuz --html -o vfs_read.html`,
		Args: onePlace,
		RunE: func(cmd *cobra.Command, args []string) error {
			return d.run(cmd, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.image, "image", "", "show the kernel in `FILE`, a vmlinuz or vmlinux")
	f.BoolVar(&d.how.Intel, "intel", false, "Intel's syntax instead of AT&T's")
	f.BoolVar(&d.how.Source, "source", false, "show the lines of source, out of the kernel's DWARF (Debian's -dbg package)")
	f.StringVar(&d.how.DWARF, "dwarf", "", "take the lines of source from `FILE`, a vmlinux with DWARF")
	f.BoolVar(&d.html, "html", false, "write a page to look at: the control flow and the listing")
	f.BoolVar(&d.raw, "raw", false, "as objdump -d prints it, without marks")
	f.BoolVar(&d.json, "json", false, "print it as one JSON object")
	f.StringVarP(&d.output, "output", "o", "", "write to `FILE`")
	return cmd
}

func onePlace(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usagef("disasm needs a place, as: ktrap disasm unix_stream_connect")
	case 1:
		return nil
	}
	return usagef("disasm shows one place at a time, and %d are given", len(args))
}

func (d *disassembling) run(cmd *cobra.Command, text string) (err error) {
	if err := ktrap.CheckPlace(text); err != nil {
		return usageError{err}
	}
	if d.raw && d.json || d.raw && d.html || d.json && d.html {
		return usagef("--json, --raw and --html are three forms: choose one")
	}
	d.how.Source = d.how.Source || d.how.DWARF != ""
	k, err := openKernel(d.image, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer k.Close()
	shown, err := k.Disassemble(text, d.how)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	return writeFile(cmd.Context(), d.output, out, func(w io.Writer) error { return d.print(w, shown) })
}

func (d *disassembling) print(w io.Writer, shown *ktrap.Disassembly) error {
	switch {
	case d.json:
		return printJSON(w, shown)
	case d.html:
		return html.WriteDisassembly(w, shown)
	case d.raw:
		_, err := w.Write(render.AppendRaw(nil, shown))
		return err
	}
	_, err := w.Write(palette(w).AppendDisassembly(nil, shown))
	return err
}
