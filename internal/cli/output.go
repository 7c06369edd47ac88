package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"
)

// output is where events go. It is buffered, and flushed often enough for
// somebody who watches. The first error stays; what was given to it since the
// last flush may be lost then, and is counted.
type output struct {
	w     io.Writer
	file  *os.File // to close; nil for stdout
	name  string
	stop  chan struct{}
	done  sync.WaitGroup
	mu    sync.Mutex
	buf   *bufio.Writer
	fresh int // lines since the last flush
	err   error
}

const (
	outputBuffer = 256 << 10
	flushEvery   = 50 * time.Millisecond
)

// errClosedPipe is an output whose reader has gone.
var errClosedPipe = errors.New("the output's reader has gone")

// openOutput writes to the file of that name, or to stdout if it is empty. What
// the file holds stays until begin.
func openOutput(ctx context.Context, name string, stdout io.Writer) (*output, error) {
	o := &output{w: stdout, name: "the output", stop: make(chan struct{})}
	if name != "" {
		f, err := openFile(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("write events to a file: %w", err)
		}
		o.w, o.file, o.name = f, f, name
	}
	o.buf = bufio.NewWriterSize(o.w, outputBuffer)
	o.done.Go(o.flushing)
	return o, nil
}

// openFile waits no longer than ctx for the reader of a named pipe.
func openFile(ctx context.Context, name string) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		done <- opened{f, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case o := <-done:
		return o.f, o.err
	}
}

// begin empties the file; a pipe or a device has nothing to empty.
func (o *output) begin() error {
	if o.file == nil {
		return nil
	}
	if info, err := o.file.Stat(); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return o.file.Truncate(0)
}

func (o *output) flushing() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-o.stop:
			return
		case <-tick.C:
			o.mu.Lock()
			o.flush()
			o.mu.Unlock()
		}
	}
}

// write appends one line, or one event's lines.
func (o *output) write(line []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && o.buf.Available() < len(line) {
		o.flush()
	}
	if o.err != nil {
		return o.err
	}
	o.fresh++
	if _, err := o.buf.Write(line); err != nil {
		o.fail(err)
	}
	return o.err
}

func (o *output) flush() {
	if o.err != nil || o.fresh == 0 {
		return
	}
	if err := o.buf.Flush(); err != nil {
		o.fail(err)
		return
	}
	o.fresh = 0
}

func (o *output) fail(err error) {
	if errors.Is(err, syscall.EPIPE) {
		o.err = errClosedPipe
		return
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	o.err = fmt.Errorf("write %s: %w; up to %d events that were read are not in it", o.name, err, o.fresh)
}

// Close flushes and closes; it may be called again. It returns what write has
// not returned yet.
func (o *output) Close() (err error) {
	select {
	case <-o.stop:
		return nil
	default:
	}
	close(o.stop)
	o.done.Wait()
	if o.err == nil {
		o.flush()
		err = o.err
	}
	if o.file != nil {
		err = errors.Join(err, o.file.Close())
	}
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
