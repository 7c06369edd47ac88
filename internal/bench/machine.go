package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"ktrap/lab"
)

// boot runs the inner half of a benchmark in a machine that has all of its
// peers that this host has, and the files, and returns what it printed.
func (o options) boot(ctx context.Context, bench benchmark, files ...string) ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cfg := bench.machine
	cfg.Kernel, cfg.Init, cfg.Files = o.kernel, o.ktrap, append([]string{self}, files...)
	cfg.Stdout, cfg.Stderr, cfg.Progress = &out, os.Stderr, os.Stderr
	for _, p := range bench.peers[min(1, len(bench.peers)):] {
		if path, err := exec.LookPath(p.program()); err == nil {
			cfg.Files = append(cfg.Files, path)
		}
	}
	exit, err := lab.Run(ctx, cfg, append([]string{self, "-inside", "-runs", strconv.Itoa(o.runs), "-only", o.only, o.name}, files...))
	if err == nil && exit != 0 {
		err = fmt.Errorf("measure in the machine: exit code %d", exit)
	}
	return out.Bytes(), err
}
