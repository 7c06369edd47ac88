// Writers tells which programs write most to files and sockets: a handler in the
// kernel adds up, and this program reads the sums as values of Go.
//
//	go build ./examples/writers && sudo ./writers -for 10s
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"os/signal"
	"slices"
	"time"

	"ktrap"
)

// handler runs in the kernel, at every call of vfs_write.
const handler = `package trap

var (
	calls map[string]uint64
	bytes map[string]uint64
)

func pre(count uint64) {
	calls[comm()]++
	bytes[comm()] += count
}
`

var duration = flag.Duration("for", 5*time.Second, "how `long` to watch")

func run(ctx context.Context) error {
	s, err := ktrap.Open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	regs, err := s.Register(ctx, &ktrap.Probe{Symbol: "vfs_write", Pre: ktrap.Source(handler)})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *duration)
	defer cancel()
	for _, err := range s.Events(ctx) { // it emits none; at the end the probe is detached
		if err != nil {
			return err
		}
	}
	return report(regs[0])
}

func report(r *ktrap.Registration) error {
	calls, err := ktrap.ReadMap[string, uint64](r.Script(), "calls")
	if err != nil {
		return err
	}
	bytes, err := ktrap.ReadMap[string, uint64](r.Script(), "bytes")
	if err != nil {
		return err
	}
	most := slices.SortedFunc(maps.Keys(bytes), func(a, b string) int { return cmp.Compare(bytes[b], bytes[a]) })
	for _, name := range most {
		fmt.Printf("%-16s %8d calls %12d bytes\n", name, calls[name], bytes[name])
	}
	ledger, err := r.Ledger()
	if err == nil && !ledger.Complete {
		fmt.Fprintf(os.Stderr, "%d hits were missed\n", ledger.Missed+ledger.Recursion)
	}
	return err
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}
