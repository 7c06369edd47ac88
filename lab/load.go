package lab

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Load makes work for a kernel until it is done or ctx ends, and returns how
// many operations it did. It is named by
//
//	NAME[:COUNT[xTHREADS]][@PAUSE]
//
// as in unix, umask:500000x2 or tcp:100@1ms. COUNT is that of all threads
// together; without one the load has no end. The threads are called
// ktrap-NAME, which is what the kernel shows as comm.
//
//	unix   connect to a unix socket, accept, send, receive and close
//	files  create, write, read, rename, stat and unlink a file; open a missing one
//	tcp    the same as unix over 127.0.0.1
//	fork   start a program that does nothing and wait for it
//	umask  one umask system call, without a pause: for exact counts
//	all    unix, files, tcp and fork, each in a thread of its own
func Load(ctx context.Context, name string) (operations int, err error) {
	works, err := parseLoad(name)
	if err != nil {
		return 0, err
	}
	var done atomic.Int64
	failures := make(chan error, len(works))
	for _, w := range works {
		go func() { failures <- w.run(ctx, &done) }()
	}
	for range works {
		err = cmp.Or(err, <-failures)
	}
	return int(done.Load()), err
}

// LoadNames lists the loads that there are.
func LoadNames() []string { return append(slices.Sorted(maps.Keys(loads)), "all") }

// work is one load, parsed.
type work struct {
	name           string
	count, threads int // count 0 has no end
	pause          time.Duration
}

func parseLoad(text string) ([]work, error) {
	w := work{threads: 1, pause: 10 * time.Millisecond}
	rest, pause, hasPause := strings.Cut(text, "@")
	name, amount, hasAmount := strings.Cut(rest, ":")
	count, threads, hasThreads := strings.Cut(amount, "x")
	w.name = name
	if w.name == "umask" {
		w.pause = 0
	}
	var errs [3]error
	if hasPause {
		w.pause, errs[0] = time.ParseDuration(pause)
	}
	if hasAmount {
		w.count, errs[1] = strconv.Atoi(count)
	}
	if hasThreads {
		w.threads, errs[2] = strconv.Atoi(threads)
	}
	if err := cmp.Or(errs[:]...); err != nil || hasAmount && w.count < 1 || w.threads < 1 {
		return nil, fmt.Errorf("load %q: want NAME[:COUNT[xTHREADS]][@PAUSE], as in umask:500000x2 or unix@1ms", text)
	}
	if name == "all" {
		return w.each("unix", "files", "tcp", "fork"), nil
	}
	if loads[name] == nil {
		return nil, fmt.Errorf("no load %q: there are %s", name, strings.Join(LoadNames(), ", "))
	}
	return []work{w}, nil
}

func (w work) each(names ...string) (all []work) {
	for _, w.name = range names {
		all = append(all, w)
	}
	return all
}

// run shares the count among the threads; the first ones take what is left over.
func (w work) run(ctx context.Context, done *atomic.Int64) error {
	var threads sync.WaitGroup
	errs := make([]error, w.threads)
	for i := range w.threads {
		share := w.count / w.threads
		if i < w.count%w.threads {
			share++
		}
		threads.Go(func() { errs[i] = w.thread(ctx, share, done) })
	}
	threads.Wait()
	return cmp.Or(errs...)
}

// thread is never unlocked, so that its name ends with it.
func (w work) thread(ctx context.Context, share int, done *atomic.Int64) error {
	runtime.LockOSThread()
	if err := os.WriteFile("/proc/thread-self/comm", []byte("ktrap-"+w.name), 0); err != nil {
		return fmt.Errorf("name the thread of load %s: %w", w.name, err)
	}
	operate, end, err := loads[w.name]()
	if err != nil {
		return fmt.Errorf("start load %s: %w", w.name, err)
	}
	defer end()
	for n := 0; (w.count == 0 || n < share) && ctx.Err() == nil; n++ {
		if err := operate(); err != nil {
			return fmt.Errorf("load %s: %w", w.name, err)
		}
		done.Add(1)
		if w.pause > 0 {
			time.Sleep(w.pause)
		}
	}
	return nil
}
