// Template is the kernel-module template for kprobes in Go: a probe on a symbol
// given on the command line, and a pre-handler that is called with the registers
// for every hit, until Ctrl-C unregisters it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"ktrap"
)

var symbol = flag.String("symbol", "unix_stream_connect", "the `function` to probe")

// handlerPre is called for every hit; di, si, dx, cx, r8, r9 are the first 6 arguments.
func handlerPre(ev *ktrap.Event) {
	fmt.Printf("pre_handler: cpu %d %s[%d] %s", ev.CPU, ev.Comm, ev.PID, ev.Place)
	for _, r := range ev.Regs() {
		fmt.Printf(" %s=%x", r.Name, r.Value)
	}
	fmt.Println()
}

func run(ctx context.Context) error {
	s, err := ktrap.Open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	kp := &ktrap.Probe{Symbol: *symbol, Regs: true, Pre: ktrap.Func(handlerPre)}
	if _, err := s.Register(ctx, kp); err != nil {
		return err
	}
	for _, err := range s.Events(ctx) {
		if err != nil {
			return err
		}
	}
	return nil
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}
