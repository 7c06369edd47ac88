package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// lines are what a tool has written: its events, counted, and the rest.
type lines struct {
	n, bytes int64
	rest     strings.Builder
}

// lines reads all that is in the tool's folder. A line with the mark in it is
// an event's.
func (t *tool) lines(mark string) (*lines, error) {
	l := new(lines)
	entries, err := os.ReadDir(t.folder)
	for _, e := range entries {
		err = errors.Join(err, l.read(filepath.Join(t.folder, e.Name()), mark))
	}
	return l, err
}

func (l *lines) read(name, mark string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	text := bufio.NewScanner(f)
	for text.Scan() {
		if strings.Contains(text.Text(), mark) {
			l.n++
			l.bytes += int64(len(text.Bytes())) + 1
		} else {
			l.rest.WriteString(text.Text() + "\n")
		}
	}
	return text.Err()
}
