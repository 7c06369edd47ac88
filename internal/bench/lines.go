package main

import (
	"bufio"
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
	names, err := filepath.Glob(filepath.Join(t.folder, "*"))
	if err != nil {
		return nil, err
	}
	l := new(lines)
	for _, name := range names {
		if err := l.read(name, mark); err != nil {
			return nil, err
		}
	}
	return l, nil
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
