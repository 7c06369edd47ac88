package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"ktrap/lab"
)

const labExamples = `  ktrap lab -- ktrap doctor
  ktrap lab -k 5.10 --load unix -- ktrap trace unix_stream_connect --count 3
  ktrap lab --file /bin/sh -- sh -c 'echo $PPID; exit 7'
  ktrap lab -k /boot/vmlinuz --append lockdown=integrity -- ktrap doctor
  ktrap lab -k 6.1 --fetch`

func newLab() *cobra.Command {
	var cfg lab.Config
	var timeout time.Duration
	var fetch, list, console bool
	cmd := &cobra.Command{
		Use:   "lab [flags] -- COMMAND [ARGUMENT...]",
		Short: "Run a command in a throwaway virtual machine",
		Long: `Boot a virtual machine with a real kernel, run COMMAND in it and pass on its
output, exit code and Ctrl-C (twice ends the machine). Nothing is installed and
nothing stays. A kernel given by version is fetched once, by apt, into the
cache folder. In the machine there are ktrap and what --file brings.`,
		Example: labExamples,
		RunE: func(cmd *cobra.Command, argv []string) error {
			cfg.Progress = cmd.ErrOrStderr()
			if console {
				cfg.Console = cmd.ErrOrStderr()
			}
			if err := checkLab(cmd.Flags(), cfg, timeout); err != nil {
				return err
			}
			switch {
			case list:
				return listKernels(cmd)
			case fetch:
				return fetchKernel(cmd, cfg.Kernel, cfg.Arch)
			case len(argv) == 0:
				return usagef("no command to run: ktrap lab -- COMMAND...")
			}
			return runLab(cmd, cfg, timeout, argv)
		},
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.StringVarP(&cfg.Kernel, "kernel", "k", lab.DefaultKernel, "`KERNEL` to boot: a version, the path of a vmlinuz, or \"host\"")
	flags.StringVar(&cfg.Arch, "arch", "", "`ARCH` of a KERNEL given by version: amd64 or arm64 (default: this machine's)")
	flags.StringVar(&cfg.Init, "init", "", "start `PROGRAM`, a ktrap built for the machine, in place of this one")
	flags.StringArrayVar(&cfg.Files, "file", nil, "take the file or folder `PATH` along, to the same path; a program with its libraries (repeatable)")
	flags.StringArrayVar(&cfg.Modules, "module", nil, "load the kernel module `NAME`, with those it needs (repeatable)")
	flags.StringSliceVar(&cfg.Loads, "load", nil, "run loads beside the command: `NAMES` of "+strings.Join(lab.LoadNames(), ", "))
	flags.StringVar(&cfg.Accel, "accel", "auto", "`HOW` the processors are run: kvm, tcg or auto")
	flags.IntVar(&cfg.CPUs, "cpus", 2, "processors")
	flags.IntVar(&cfg.Memory, "memory", 1024, "memory in `MIB`")
	flags.BoolVar(&cfg.ICount, "icount", false, "count instructions as nanoseconds, on one processor: figures repeat")
	flags.StringVar(&cfg.Append, "append", "", "add `WORDS` to the kernel's command line")
	flags.BoolVar(&console, "console", false, "show the kernel's console on standard error")
	flags.DurationVar(&timeout, "timeout", 0, "end the machine after this `TIME`")
	flags.BoolVar(&fetch, "fetch", false, "only fetch the kernel")
	flags.BoolVar(&list, "list", false, "only list the kernels in the cache")
	cmd.AddCommand(newLoad())
	return cmd
}

// checkLab finds the mistakes that need no machine to be found.
func checkLab(set *pflag.FlagSet, cfg lab.Config, timeout time.Duration) error {
	for name, wrong := range map[string]bool{"cpus": cfg.CPUs <= 0, "memory": cfg.Memory <= 0, "timeout": timeout <= 0} {
		if wrong && set.Changed(name) {
			return usagef("--%s must be above 0", name)
		}
	}
	return nil
}

// newLoad is what a machine runs for --load.
func newLoad() *cobra.Command {
	return &cobra.Command{
		Use:    "load NAME[:COUNT[xTHREADS]][@PAUSE]",
		Short:  "Make work for a kernel to do",
		Args:   oneLoad,
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := lab.Load(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d operations\n", args[0], n)
			return err
		},
	}
}

func oneLoad(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("want the name of one load, not %d", len(args))
	}
	return nil
}

func listKernels(cmd *cobra.Command) error {
	kernels, err := lab.Cached()
	for _, k := range kernels {
		fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\n", k.Release, k.Image)
	}
	return err
}

func fetchKernel(cmd *cobra.Command, version, arch string) error {
	k, err := lab.FindKernel(cmd.Context(), version, arch, cmd.ErrOrStderr())
	if err == nil {
		fmt.Fprintln(cmd.OutOrStdout(), k.Image)
	}
	return err
}

// runLab passes the first signal of the user on to the command; the second
// ends the machine.
func runLab(cmd *cobra.Command, cfg lab.Config, timeout time.Duration, argv []string) error {
	ctx, interrupt := context.WithCancelCause(context.WithoutCancel(cmd.Context()))
	defer interrupt(nil)
	if timeout > 0 {
		var cancel func()
		ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done within %v", timeout))
		defer cancel()
	}
	vm, err := bootLab(ctx, cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer vm.Close()
	signals, first := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		first <- <-signals
		<-signals
		interrupt(errInterrupted)
	}()
	exit, err := vm.Run(ctx, lab.Cmd{
		Args: argv, Signals: first,
		Stdin: cmd.InOrStdin(), Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr(),
	})
	if exit == 0 {
		return err
	}
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "ktrap: %v\n", err)
	}
	return exitError(exit)
}

var errInterrupted = errors.New("interrupted")

// bootLab boots until the first of two contexts ends.
func bootLab(ctx, user context.Context, cfg lab.Config) (*lab.VM, error) {
	ctx, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	defer context.AfterFunc(user, func() { interrupt(errInterrupted) })()
	return lab.Boot(ctx, cfg)
}
