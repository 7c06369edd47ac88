//go:build live

package main

import (
	"io"
	"os"
	"regexp"
	"testing"
	"time"
)

func TestTheWriterIsToldWithItsBytes(t *testing.T) {
	const writes, size = 200, 1000
	*duration = 2 * time.Second
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = write
	t.Cleanup(func() { os.Stdout = stdout })
	go func() {
		null, err := os.OpenFile(t.TempDir()+"/file", os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return
		}
		defer null.Close()
		for range writes {
			null.Write(make([]byte, size))
			time.Sleep(2 * time.Millisecond)
		}
	}()
	err = run(t.Context())
	write.Close()
	text, _ := io.ReadAll(read)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^\S+ +\d+ calls +\d{5,} bytes$`).Match(text) {
		t.Errorf("no thread is told to have written %d bytes: %q", writes*size, text)
	}
}
