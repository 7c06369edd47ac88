package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"ktrap/lab"
)

// live builds all live tests once and runs them on each kernel.
func (o options) live(ctx context.Context, t *tally) error {
	dir, err := os.MkdirTemp("", "ktrap-live-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	all, err := o.liveSuites(ctx, dir, t)
	if err != nil {
		return err
	}
	ktrap := filepath.Join(dir, "ktrap")
	if err := static(ctx, "build", "-trimpath", "-o", ktrap, "./cmd/ktrap"); err != nil {
		return err
	}
	var running sync.WaitGroup
	places := make(chan bool, max(1, o.alongside))
	for _, kernel := range o.kernels {
		places <- true
		running.Go(func() {
			o.onKernel(ctx, t, kernel, ktrap, all)
			<-places
		})
	}
	running.Wait()
	return ctx.Err()
}

func (o options) liveSuites(ctx context.Context, dir string, t *tally) ([]suite, error) {
	found, err := suites(ctx, "live")
	if err != nil {
		return nil, err
	}
	t.say("building the live tests of %d packages", len(found))
	var picked []suite
	for _, s := range found {
		if s, err = s.pick(o.run); err != nil {
			return nil, err
		}
		if len(s.tests) == 0 {
			continue
		}
		if err := s.build(ctx, "live", dir); err != nil {
			t.fail(err.Error())
			continue
		}
		picked = append(picked, s)
	}
	if picked == nil {
		return nil, fmt.Errorf("no live test to run that matches %q", o.run)
	}
	return picked, nil
}

// bootBound and runBound are for a machine that shares its processors with
// another one; deep tests take what they need.
const (
	bootBound = 3 * time.Minute
	runBound  = 10 * time.Minute
	deepBound = 3 * time.Hour
)

// onKernel runs all suites in one machine. When that dies, what has not run
// has failed.
func (o options) onKernel(ctx context.Context, t *tally, kernel, ktrap string, all []suite) {
	start := time.Now()
	manifest, err := readManifest(kernel)
	if err != nil {
		t.fail(err.Error())
		return
	}
	s := t.stage(kernel, manifest)
	for _, suite := range all {
		s.expect(suite.pkg, suite.tests)
	}
	defer s.finish()
	brought := files(all)
	if o.deep {
		if o.module, err = module(ctx, kernel, filepath.Dir(ktrap)); err != nil {
			t.fail(kernel + ": " + err.Error())
			return
		}
		brought = append(brought, o.module)
	}
	vm, err := lab.Boot(ctx, lab.Config{
		Kernel: kernel, Init: ktrap, Files: brought, Modules: modules,
		BootTimeout: bootBound, Progress: os.Stderr,
	})
	if err != nil {
		t.fail(kernel + ": " + err.Error())
		return
	}
	defer vm.Close()
	t.say("%s  up after %.1fs", kernel, time.Since(start).Seconds())
	for _, suite := range all {
		if err := o.runSuite(ctx, s, vm, suite); err != nil {
			t.fail(kernel + ": " + err.Error())
			return
		}
	}
	t.say("%s  done after %.1fs", kernel, time.Since(start).Seconds())
}

// modules are loaded in every machine, for tests of code outside the kernel
// proper. All kernels have them, and they need no others: a small one, and one
// with places of each kind that a kernel patches.
var modules = []string{"dummy", "overlay"}

func files(all []suite) []string {
	var paths []string
	for _, s := range all {
		paths = append(append(paths, s.program), s.data...)
	}
	return paths
}

// home is the folder that the tests run in: their own where it is there.
func (s suite) home() string {
	if s.data == nil {
		return "."
	}
	return s.dir
}

// runSuite returns an error only when the machine is gone.
func (o options) runSuite(ctx context.Context, s *stage, vm *lab.VM, suite suite) error {
	bound := runBound
	if o.deep {
		bound = deepBound
	}
	ctx, cancel := context.WithTimeoutCause(ctx, bound+time.Minute, fmt.Errorf("not done after %v", bound))
	defer cancel()
	verdicts, err := s.convert(suite.pkg)
	if err != nil {
		return err
	}
	exit, err := vm.Run(ctx, lab.Cmd{
		Args: []string{suite.program, "-test.v=test2json", "-test.paniconexit0",
			"-test.timeout=" + bound.String(), "-test.run=" + suite.runFlag(o.run)},
		Env: o.environ(given()), Dir: suite.home(),
		Stdout: verdicts, Stderr: verdicts,
	})
	err = errors.Join(err, verdicts.Close())
	if err == nil && exit != 0 && s.bad[suite.pkg] == 0 {
		s.fail(suite.pkg, fmt.Sprintf("%s  %s: exit code %d", s.name, suite.pkg, exit))
	}
	return err
}

// given are the variables for tests (KTRAP_SEED and the like) that livetest was given.
func given() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return !strings.HasPrefix(v, "KTRAP_") })
}

// converter turns what a test program writes into events of a stage.
type converter struct {
	io.WriteCloser
	process *exec.Cmd
	done    chan error
}

func (s *stage) convert(pkg string) (*converter, error) {
	c := &converter{process: exec.Command("go", "tool", "test2json", "-t", "-p", pkg), done: make(chan error, 1)}
	in, err1 := c.process.StdinPipe()
	events, err2 := c.process.StdoutPipe()
	if err := errors.Join(err1, err2, c.process.Start()); err != nil {
		return nil, fmt.Errorf("start test2json: %w", err)
	}
	c.WriteCloser = in
	go func() { c.done <- s.read(events) }()
	return c, nil
}

// Close returns when all events have been taken.
func (c *converter) Close() error {
	return errors.Join(c.WriteCloser.Close(), <-c.done, c.process.Wait())
}
