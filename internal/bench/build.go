package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"ktrap/lab"
	"ktrap/symbols"
)

//go:embed testdata/hundred.go
var hundred []byte

// The targets of a whole process that compiles a file of a hundred lines: the median
// of its times on this host, and what it executes in a machine, which does not move.
const (
	targetBuild        = 15 * time.Millisecond
	targetInstructions = 50_000_000
	hostBuilds         = 50
)

// builds is the CPU time of processes, user and system, with that of one that does
// nothing beside it.
type builds struct {
	Types   string                   `json:"types"` // where they are read
	Host    []figures[time.Duration] `json:"host"`
	Machine []figures[time.Duration] `json:"machine"` // a nanosecond an instruction
}

// onBuild takes the kernel's types from the running kernel where it has any, else
// from a file that has those of the machine's.
func onBuild(ctx context.Context, o options) (results, error) {
	b, build := &builds{Types: "the running kernel"}, []string{"build"}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		file, err := typesOf(ctx, o.kernel)
		if err != nil {
			return nil, err
		}
		defer os.Remove(file)
		b.Types, build = o.kernel, append(build, "--btf", file)
	}
	var err error
	if b.Host, err = timeBuilds(ctx, o.ktrap, build, hostBuilds); err != nil {
		return nil, err
	}
	measured, err := o.boot(ctx, benchmark{machine: lab.Config{ICount: true}})
	if err != nil {
		return nil, err
	}
	inside := &builds{}
	err = json.Unmarshal(measured, inside)
	b.Machine = inside.Machine
	return b, err
}

// typesOf makes a file of the types of a kernel.
func typesOf(ctx context.Context, name string) (string, error) {
	kernel, err := lab.FindKernel(ctx, name, "amd64", os.Stderr)
	if err != nil {
		return "", err
	}
	image, err := symbols.OpenImage(kernel.Image, symbols.ImageOptions{})
	if err != nil {
		return "", err
	}
	defer image.Close()
	f, err := os.CreateTemp("", "ktrap-bench-")
	if err != nil {
		return "", err
	}
	_, err = f.Write(image.BTF())
	return f.Name(), errors.Join(err, f.Close())
}

// measureBuilds is the half in the machine.
func measureBuilds(o options) results {
	b := &builds{}
	ktrap, err := exec.LookPath("ktrap")
	if err == nil {
		b.Machine, err = timeBuilds(context.Background(), ktrap, []string{"build"}, o.runs)
	}
	if err != nil {
		b.Machine = []figures[time.Duration]{{Error: err.Error()}, {Error: err.Error()}}
	}
	return b
}

// timeBuilds runs ktrap's two commands in turn.
func timeBuilds(ctx context.Context, ktrap string, build []string, runs int) ([]figures[time.Duration], error) {
	dir, err := os.MkdirTemp("", "ktrap-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "hundred.go")
	if err := os.WriteFile(file, hundred, 0o644); err != nil {
		return nil, err
	}
	all := []figures[time.Duration]{{Tool: "ktrap build hundred.go"}, {Tool: "ktrap --version"}}
	for n := range runs + 1 {
		for i, args := range [][]string{append(slices.Clone(build), file), {"--version"}} {
			cmd := exec.CommandContext(ctx, ktrap, args...)
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%s: %w: %s", all[i].Tool, err, out)
			}
			if n > 0 {
				all[i].Runs = append(all[i].Runs, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
			}
		}
	}
	return all, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (b *builds) table(w *tabwriter.Writer) {
	fmt.Fprintln(w, "a whole process\tCPU ms\tof ten nine take at most\tmillion instructions")
	for i, f := range b.Host {
		slices.Sort(f.Runs)
		fmt.Fprintf(w, "%s\t%v\t%.1f\t", f.Tool, f.of(milliseconds), milliseconds(f.Runs[len(f.Runs)*9/10]))
		if m := b.Machine[i]; m.Error == "" {
			fmt.Fprintln(w, m.of(milliseconds))
		} else {
			fmt.Fprintln(w, m.Error)
		}
	}
	fmt.Fprintf(w, "median (least–most) of %d runs on this host, with the types of %s; instructions in a machine\n", hostBuilds, b.Types)
}

func (b *builds) check() error {
	var errs []error
	if took := time.Duration(b.Host[0].of(milliseconds).median * float64(time.Millisecond)); took > targetBuild {
		errs = append(errs, fmt.Errorf("to compile a hundred lines took %v of CPU time: the target is %v", took, targetBuild))
	}
	if m := b.Machine[0]; m.Error != "" {
		errs = append(errs, errors.New(m.Error))
	} else if n := m.of(milliseconds).median * 1e6; n > targetInstructions {
		errs = append(errs, fmt.Errorf("to compile a hundred lines took %.0f instructions: the target is %d", n, targetInstructions))
	}
	return errors.Join(errs...)
}
