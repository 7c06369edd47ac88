//go:build live

package main

import (
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
		for range 50 {
			unix.Umask(0o22)
			time.Sleep(20 * time.Millisecond)
		}
		stop()
	}()
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(read)
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
