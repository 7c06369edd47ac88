package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ktrap"
)

const whyLong = `Say whether a probe can stand at a place, and why: by the kernel's own rules, in
its order, with what was found for each; how the kernel will run the probe
(ftrace, optimised, emulated, boosted, int3), what a hit costs and why it is not
cheaper; and where nearby a probe can stand if it can't there. Nothing is armed.

It asks the running kernel, which takes root; or with --image any kernel's image,
which takes nothing. Several images are compared: where each has the place, and
where the instruction is that stands there in the first.`

// asking is what the flags of why ask for.
type asking struct {
	images  []string
	unsafe  bool
	json    bool
	verbose bool
}

func newWhy() *cobra.Command {
	var a asking
	cmd := &cobra.Command{
		Use:   "why PLACE...",
		Short: "Say whether and how a place can be probed, by the kernel's own rules",
		Long:  whyLong,
		Example: `  sudo ktrap why do_sys_openat2+0x4b
  sudo ktrap why -v vfs_read%return
  ktrap why schedule --image /boot/vmlinuz-6.12.0-1-amd64
  ktrap why vfs_read+0x2b --image vmlinuz-6.1 --image vmlinuz-6.12 --json`,
		Args: atLeastOnePlace,
		RunE: func(cmd *cobra.Command, places []string) error {
			return a.run(cmd, places)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&a.images, "image", nil, "ask the kernel in `FILE`, a vmlinuz or vmlinux; again for another to compare")
	f.BoolVar(&a.unsafe, "unsafe", false, "allow places that are known to crash some kernels")
	f.BoolVar(&a.json, "json", false, "one JSON object a place and kernel, a line each")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "print every rule with its answer")
	return cmd
}

// run asks each kernel of each place; an error of one does not keep the others
// from answering.
func (a *asking) run(cmd *cobra.Command, places []string) error {
	for _, text := range places {
		if err := ktrap.CheckPlace(text); err != nil {
			return usageError{err}
		}
	}
	kernels, err := openKernels(a.images, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer closeKernels(kernels)
	var errs []error
	for _, text := range places {
		answers, err := ktrap.Compare(cmd.Context(), text, a.unsafe, kernels...)
		errs = append(errs, err)
		for _, answer := range answers {
			if err := a.print(cmd.OutOrStdout(), answer); err != nil {
				return err
			}
		}
	}
	return errors.Join(errs...)
}

func (a *asking) print(w io.Writer, answer *ktrap.Answer) error {
	if a.json {
		return printJSONLine(w, answer)
	}
	_, err := w.Write(palette(w).AppendAnswer(nil, answer, a.verbose))
	return err
}

// openKernels opens the images, or if there are none the running kernel.
func openKernels(images []string, stderr io.Writer) (kernels []*ktrap.Kernel, err error) {
	if len(images) == 0 {
		images = []string{""}
	}
	for _, image := range images {
		k, err := openKernel(image, stderr)
		if err != nil {
			closeKernels(kernels)
			return nil, err
		}
		kernels = append(kernels, k)
	}
	return kernels, nil
}

// openKernel opens an image, or if none is named the running kernel.
func openKernel(image string, stderr io.Writer) (*ktrap.Kernel, error) {
	warn := func(err error) { fmt.Fprintf(stderr, "ktrap: %v\n", err) }
	return ktrap.KernelConfig{Image: image, Warn: warn}.Open()
}

func closeKernels(kernels []*ktrap.Kernel) {
	for _, k := range kernels {
		k.Close()
	}
}
