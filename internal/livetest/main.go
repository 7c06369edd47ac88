// Command livetest runs the project's tests on real kernels and sums them up.
//
// A live test is a test in a file with the line "//go:build live". All of them
// are built into static programs, packed into one file system with a fresh
// ktrap, and run in one machine a kernel. Their verdicts come back as the test
// programs write them and count as go test's do:
//
//	go test -c ─▶ programs ─▶ lab ─▶ -test.v=test2json ─▶ go tool test2json ─▶ tally
//
// It promises that silence is a failure: a test that was to run and gave no
// verdict has failed, whether its program crashed or its kernel did. A test may
// skip only by "needs FEATURE: why", and only where the kernel's manifest does
// not list the feature. The last line is the sum of everything.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// everyKernel is what the project is held to.
const everyKernel = "5.10,6.1,6.12,7.3"

type options struct {
	kernels   []string
	run       string // the -run of go test, for live tests
	unit      bool
	deep      bool
	verbose   bool
	alongside int
	module    string // compiled for the kernel at hand
}

func main() {
	var o options
	kernels := flag.String("k", everyKernel, "kernels to run on")
	flag.StringVar(&o.run, "run", "", "run only the live tests that match")
	flag.BoolVar(&o.unit, "unit", false, "run first what needs no kernel of its own: unit, race and machine tests")
	flag.BoolVar(&o.deep, "deep", false, "run the long form of tests (KTRAP_DEEP=1)")
	flag.BoolVar(&o.verbose, "v", false, "show all that tests write")
	flag.IntVar(&o.alongside, "j", 2, "machines that run at once")
	flag.Parse()
	o.kernels = strings.Split(*kernels, ",")
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	os.Exit(o.main(ctx))
}

func (o options) main(ctx context.Context) int {
	start := time.Now()
	t := newTally(os.Stdout, o.verbose)
	if o.unit {
		o.units(ctx, t)
	}
	if err := o.live(ctx, t); err != nil {
		t.fail(err.Error())
	}
	fmt.Printf("\nall in %v\n", time.Since(start).Round(time.Second))
	return t.close()
}
