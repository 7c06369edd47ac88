//go:build live

package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTheTemplateCallsItsHandlerWithTheRegisters(t *testing.T) {
	*symbol = "__x64_sys_umask"
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = write
	t.Cleanup(func() { os.Stdout = stdout })
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for ctx.Err() == nil {
			unix.Umask(0o22)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	text := make(chan string)
	go func() {
		defer stop()
		var all []byte
		lines := bufio.NewScanner(read)
		for n := 0; n < 4 && lines.Scan(); n++ {
			all = append(append(all, lines.Bytes()...), '\n')
		}
		stop()
		_, _ = io.Copy(io.Discard, read) // what is still written
		text <- string(all)
	}()
	if err := run(ctx); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if got := <-text; !strings.Contains(got, "pre_handler: cpu ") || !strings.Contains(got, "__x64_sys_umask ip=ffffffff") || !strings.Contains(got, " di=ffff") || !strings.Contains(got, "post_handler: cpu ") {
		t.Errorf("the handler wrote %q", got)
	}
}
