// Template is the kernel-module template for kprobes in Go: a probe at a symbol given
// on the command line, with a pre-handler and a post-handler that are called with the
// registers for every hit, until Ctrl-C unregisters it. In kprobe.go beside it the
// handlers run in the kernel; there they are told of faults, too.
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

// The fields of struct kprobe: a symbol and an offset into it, or an address.
var (
	symbol = flag.String("symbol", "unix_stream_connect", "the `function` to probe")
	offset = flag.Uint64("offset", 0, "bytes from the function's start to an instruction")
	addr   = flag.Uint64("addr", 0, "the `address` to probe, instead of a symbol")
)

func probe() *ktrap.Probe {
	kp := &ktrap.Probe{
		Symbol: *symbol,
		Offset: *offset,
		Addr:   *addr,
		Regs:   true,
		Pre:    ktrap.Func(handlerPre),
		Post:   ktrap.Func(handlerPost),
	}
	if kp.Addr != 0 {
		kp.Symbol = ""
	}
	return kp
}

// handlerPre is called for every hit, with the registers just before the probed
// instruction is executed; di, si, dx, cx, r8, r9 are the first 6 arguments.
func handlerPre(ev *ktrap.Event) { show("pre_handler", ev) }

// handlerPost is called with the registers that the instruction left.
func handlerPost(ev *ktrap.Event) { show("post_handler", ev) }

func show(handler string, ev *ktrap.Event) {
	fmt.Printf("%s: cpu %d %s[%d] %s", handler, ev.CPU, ev.Comm, ev.PID, ev.Place)
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
	if _, err := s.Register(ctx, probe()); err != nil {
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
