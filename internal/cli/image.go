package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"ktrap/symbols"
)

const imageLong = `Look into a kernel image: a bzImage as amd64 has it, an EFI zboot image, an arm64
Image, one of these compressed by gzip, or a vmlinux. It needs no rights, no
tools and no kernel like it.`

func newImage() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Look into a kernel image, or unpack it",
		Long:  imageLong,
		Args:  subcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newImageInfo(), newImageExtract())
	return cmd
}

// oneFile is the only argument of a command.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%s needs one image FILE, as: %s /boot/vmlinuz", cmd.Name(), cmd.CommandPath())
	}
	return nil
}

func newImageInfo() *cobra.Command {
	var asJSON, config bool
	cmd := &cobra.Command{
		Use:   "info FILE",
		Short: "Say what a kernel image is",
		Long: `Say of a kernel image its release, build, build id and architecture, how it is
packed, how many symbols it has, and its sections.`,
		Example: "  ktrap image info /boot/vmlinuz-$(uname -r)\n  ktrap image info --config vmlinuz | grep KPROBES",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON && config {
				return usagef("--json and --config are two forms: choose one")
			}
			image, err := openImage(args[0], cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if config {
				err = printConfig(out, image)
			} else {
				err = printInfo(out, image, asJSON)
			}
			return errors.Join(err, image.Close())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as one JSON object")
	cmd.Flags().BoolVar(&config, "config", false, "print the configuration that the kernel was built with")
	return cmd
}

func openImage(path string, stderr io.Writer) (*symbols.Image, error) {
	return symbols.OpenImage(path, symbols.ImageOptions{Warn: func(err error) { fmt.Fprintf(stderr, "ktrap: %v\n", err) }})
}

func printConfig(w io.Writer, image *symbols.Image) error {
	config, ok := image.Config()
	if !ok {
		return errors.New("the configuration is not in this image (CONFIG_IKCONFIG); distributions put it into /boot/config-RELEASE")
	}
	_, err := w.Write(config)
	return err
}

func printInfo(w io.Writer, image *symbols.Image, asJSON bool) error {
	info, err := image.Info()
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(w, info)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	packed := fmt.Sprintf("%s, %s", info.Container, info.Compression)
	if info.Compression == "none" {
		packed = info.Container + ", not compressed"
	}
	for _, row := range [][2]string{
		{"release", info.Release}, {"build", info.Build}, {"build id", info.BuildID},
		{"architecture", info.Arch}, {"container", packed},
		{"size", fmt.Sprintf("%d bytes, %d decompressed", info.FileSize, info.Size)},
		{"symbols", symbolCount(info)},
		{"types (BTF)", sizeOrNone(info.BTFSize)},
		{"configuration", map[bool]string{true: "embedded: --config prints it", false: "not embedded"}[info.Config]},
	} {
		fmt.Fprintf(t, "%s\t%s\n", row[0], cmp.Or(row[1], "not told"))
	}
	if len(info.Sections) > 0 {
		fmt.Fprintln(t)
		fmt.Fprintln(t, "SECTION\tADDRESS\tSIZE")
	}
	for _, s := range info.Sections {
		fmt.Fprintf(t, "%s\t%#x\t%d\n", s.Name, s.Addr, s.Size)
	}
	return t.Flush()
}

func symbolCount(info *symbols.ImageInfo) string {
	if info.NoSymbols != "" {
		return "none: " + info.NoSymbols
	}
	return fmt.Sprint(info.Symbols)
}

func sizeOrNone(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%d bytes", n)
}

const extractLong = `Decompress a kernel image, byte for byte as the kernel tree's extract-vmlinux
does, where that can. With --symbols a symbol table is added, so that objdump,
gdb and perf show names.

The output appears whole or not at all. It goes to standard output only if that
is not a terminal.`

func newImageExtract() *cobra.Command {
	var output string
	var withSymbols bool
	cmd := &cobra.Command{
		Use:     "extract FILE",
		Short:   "Unpack the vmlinux out of a kernel image",
		Long:    extractLong,
		Example: "  ktrap image extract /boot/vmlinuz-$(uname -r) -o vmlinux --symbols && objdump -d vmlinux | less",
		Args:    oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" && isTerminal(cmd.OutOrStdout()) {
				return usagef("a vmlinux is no text for a terminal: -o FILE writes it to a file")
			}
			return extract(cmd.Context(), args[0], output, withSymbols, Streams{Out: cmd.OutOrStdout(), Err: cmd.ErrOrStderr()})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`")
	cmd.Flags().BoolVar(&withSymbols, "symbols", false, "add a symbol table")
	return cmd
}

func extract(ctx context.Context, path, output string, withSymbols bool, streams Streams) error {
	image, err := openImage(path, streams.Err)
	if err != nil {
		return err
	}
	err = writeFile(ctx, output, streams.Out, func(w io.Writer) error {
		bar := newBar(w, streams.Err, image.Size())
		defer bar.end()
		return image.WriteVmlinux(bar, withSymbols)
	})
	return errors.Join(err, image.Close())
}
