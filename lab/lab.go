// Package lab runs commands in a throwaway virtual machine: a real Linux
// kernel under QEMU, with nothing installed and nothing left behind.
//
// It promises that a command's output is byte for byte what it wrote, that its
// exit code comes back, and that a machine which panics, hangs or never comes
// up is reported with the end of its console, within a bound. It never needs
// root, a network (once a kernel is in the cache) or a disk image.
//
// The machine is a kernel and an initramfs built in memory. Its first process
// is a Go program that calls [Init], ktrap itself by default; host and guest
// talk over one virtio port:
//
//	host                                guest
//	VM.Run ── streams over one port ──▶ Init: starts the command
//	   control: order, signals ▸  ◂ verdict
//	   stdin ▸        ◂ stdout        ◂ stderr
//	console  ◀── serial port ────────── kernel messages, kept for the report
//
// The streams have windows of their own, so that a reader who stops reading
// one of them holds up nothing else.
package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

// DefaultKernel is the kernel of a Config that names none.
const DefaultKernel = "6.12"

// Config describes a machine. The zero value is a machine with the default
// kernel, two processors and 1 GiB of memory, whose first process is the
// running program.
type Config struct {
	// Kernel is a version prefix ("6.1"), a path to a kernel image, or "host"
	// for the image of the running kernel.
	Kernel string
	// Arch is the architecture, as GOARCH, of a kernel given by version: "amd64"
	// or "arm64"; this machine's where empty.
	Arch string
	// Init is the program that the machine starts first; it must call [Init]
	// before anything else. The running program where empty. It is found in
	// the machine as /usr/bin/ktrap. A machine of another architecture needs one
	// that was built for it.
	Init string
	// Files are files and folders of the host, put at the same absolute path
	// in the machine; an ELF program brings its shared libraries along. The
	// kernel's image is there as /boot/vmlinuz-RELEASE anyhow.
	Files []string
	// Modules are kernel modules to load at boot, with what they depend on.
	Modules []string
	// Loads run beside the command: see [Load]. They need ktrap as Init.
	Loads []string

	// Accel is "kvm", "tcg" or "auto" (the same as empty).
	Accel string
	// CPUs and Memory (in MiB) size the machine.
	CPUs, Memory int
	// ICount makes one virtual nanosecond one instruction, on one processor:
	// for counts that repeat.
	ICount bool
	// Append is added to the kernel's command line.
	Append string
	// BootTimeout bounds the boot; two minutes where zero.
	BootTimeout time.Duration

	// Stdin, Stdout and Stderr are the streams of [Run]'s command; nil is an
	// empty or a discarded stream.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Console, where not nil, gets the kernel's console as it is written, and
	// makes the kernel talkative.
	Console io.Writer
	// Progress, where not nil, gets a line for each slow thing that is done.
	Progress io.Writer
}

// Run boots a machine, runs argv in it with the streams of the Config, ends
// the machine, and returns the command's exit code. The end of ctx ends the
// machine.
func Run(ctx context.Context, cfg Config, argv []string) (exit int, err error) {
	vm, err := Boot(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer vm.Close()
	return vm.Run(ctx, Cmd{Args: argv, Stdin: cfg.Stdin, Stdout: cfg.Stdout, Stderr: cfg.Stderr})
}

func (c Config) withDefaults() (Config, error) {
	if c.Kernel == "" {
		c.Kernel = DefaultKernel
	}
	if c.CPUs == 0 {
		c.CPUs = 2
	}
	if c.Memory == 0 {
		c.Memory = 1024
	}
	if c.BootTimeout == 0 {
		c.BootTimeout = 2 * time.Minute
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	for _, name := range c.Loads {
		if _, err := parseLoad(name); err != nil {
			return c, err
		}
	}
	return c, nil
}

// findInit takes the running program where the machine can run it.
func (c *Config) findInit(k Kernel) (err error) {
	switch {
	case c.Init != "":
		return nil
	case k.Arch != runtime.GOARCH:
		return fmt.Errorf("kernel %s is of %s: it needs a first program built for it, by GOARCH=%s CGO_ENABLED=0 go build ./cmd/ktrap", k.Release, k.Arch, k.Arch)
	}
	c.Init, err = os.Executable()
	return err
}
