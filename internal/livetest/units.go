package main

import (
	"context"
	"os"
	"os/exec"
)

// units runs the tests that need no kernel of their own; those of the tag vm
// boot machines themselves.
func (o options) units(ctx context.Context, t *tally) {
	o.goTest(ctx, t, "unit", "./...")
	o.goTest(ctx, t, "race", "-race", "./...")
	machines, err := suites(ctx, "vm")
	if err != nil {
		t.fail(err.Error())
	}
	for _, s := range machines {
		o.goTest(ctx, t, "machine", "-tags", "vm", "-run", s.runFlag(""), s.pkg)
	}
}

func (o options) goTest(ctx context.Context, t *tally, name string, args ...string) {
	s := t.stage(name, nil)
	if o.deep {
		args = append([]string{"-timeout=1h"}, args...)
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Env = o.environ(os.Environ())
	cmd.Stderr = os.Stderr
	events, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.fail(name + ": " + err.Error())
		return
	}
	if err := s.read(events); err != nil {
		t.fail(name + ": " + err.Error())
	}
	s.finish()
	if err := cmd.Wait(); err != nil && len(s.bad) == 0 {
		t.fail(name + ": go test: " + err.Error())
	}
}

func (o options) environ(env []string) []string {
	if o.deep {
		env = append(env, "KTRAP_DEEP=1", moduleVariable+"="+o.module)
	}
	return env
}
