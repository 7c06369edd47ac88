// Command bench measures ktrap beside its peers in one throwaway machine.
//
// It promises figures that anyone can repeat: all tools run one after the
// other in one boot of one kernel, and are measured by a process beside them
// that goes by what the kernel does, not by what a tool says:
//
//	host                       machine
//	bench start ─ boots ─▶ bench -inside start ─ starts ─▶ ktrap, bpftrace
//	   table  ◀── JSON ──────── runs            ◀─ watches
//
// A peer counts as attached as soon as the code of the probed function has changed
// in the kernel's memory; ktrap only when it says so, which is later. "start" and
// "hit" run on one processor whose clock advances a nanosecond an instruction, so
// that milliseconds there are counts and repeat on any host; "events" and "attach" need
// two processors and take the host's time. "image" needs no machine: it takes the
// host's time for whole processes; nor does "compile", which counts instructions;
// "twins" runs what that compiles, in machines as those of "hit"; "build" does both.
// Each ends with exit code 1 if ktrap misses its target.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"ktrap/lab"
)

type options struct {
	name   string // of the benchmark
	shown  string // the twin whose programs are printed
	kernel string
	ktrap  string
	runs   int
	only   string
	files  []string
	json   bool
}

// results are what a benchmark has found out.
type results interface {
	table(*tabwriter.Writer)
	check() error // is ktrap's target met?
}

// A benchmark has a half that measures, in a machine, and one that judges; or it
// measures on the host.
type benchmark struct {
	host    func(context.Context, options) (results, error)
	machine lab.Config
	peers   []peer
	measure func(options) results
	empty   func() results // to decode into
}

var benchmarks = map[string]benchmark{
	"start":   {nil, lab.Config{ICount: true, Memory: 2048}, starters, measureStarts, func() results { return new(starts) }},
	"events":  {nil, lab.Config{CPUs: 2, Memory: 3072}, recorders, measureBursts, func() results { return new(bursts) }},
	"hit":     {nil, lab.Config{ICount: true, Memory: 2048}, starters, measureHits, func() results { return new(hitCosts) }},
	"attach":  {nil, lab.Config{CPUs: 2, Memory: 2048}, nil, measureAttaches, func() results { return new(attaches) }},
	"image":   {host: onImage},
	"compile": {host: onCompile},
	"twins":   {host: onTwins, measure: measureTwins},
	"build":   {host: onBuild, measure: measureBuilds},
}

func main() {
	var o options
	flag.StringVar(&o.kernel, "k", lab.DefaultKernel, "kernel to run on")
	flag.StringVar(&o.ktrap, "ktrap", "bin/ktrap", "the ktrap to measure")
	flag.IntVar(&o.runs, "runs", 5, "runs of each tool, after one that warms up")
	flag.StringVar(&o.only, "only", "", "of hit: only what has `WORDS` in its name; of attach: only so many places")
	flag.BoolVar(&o.json, "json", false, "print every run as JSON")
	inside := flag.Bool("inside", false, "measure here: what the machine is given to run")
	flag.Parse()
	o.name, o.shown = flag.Arg(0), flag.Arg(1)
	o.files = flag.Args()[min(1, flag.NArg()):]
	bench, ok := benchmarks[o.name]
	unpacks := *inside && o.name == "decompress"
	if !ok && !unpacks || o.runs < 1 {
		fmt.Fprintln(os.Stderr, "usage: bench [-k KERNEL] [-ktrap PATH] [-runs N] [-only WORDS] [-json] start|events|hit|attach|image|compile [TWIN]|twins|build")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	err := error(nil)
	switch {
	case unpacks:
		err = decompress(flag.Arg(1))
	case *inside:
		err = json.NewEncoder(os.Stdout).Encode(bench.measure(o))
	case bench.host != nil:
		err = o.judgeHost(ctx, bench)
	default:
		err = o.judge(ctx, bench)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func (o options) judge(ctx context.Context, bench benchmark) error {
	measured, err := o.boot(ctx, bench)
	if err != nil {
		return err
	}
	r := bench.empty()
	if err := json.Unmarshal(measured, r); err != nil {
		return fmt.Errorf("read what the machine measured: %w", err)
	}
	if o.json {
		os.Stdout.Write(measured)
		return r.check()
	}
	return show(r)
}

func (o options) judgeHost(ctx context.Context, bench benchmark) error {
	r, err := bench.host(ctx, o)
	if err != nil {
		return err
	}
	if o.json {
		return errors.Join(json.NewEncoder(os.Stdout).Encode(r), r.check())
	}
	return show(r)
}

func show(r results) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	r.table(w)
	return errors.Join(w.Flush(), r.check())
}
