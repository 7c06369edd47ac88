package cli

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// bar shows on a terminal how much of what is written is written.
type bar struct {
	to          io.Writer
	terminal    io.Writer // nil where there is none
	total, done int64
	began       time.Time
	shown       bool
}

func newBar(to, terminal io.Writer, total int64) *bar {
	b := &bar{to: to, total: total, began: time.Now()}
	if isTerminal(terminal) {
		b.terminal = terminal
	}
	return b
}

// Write writes in pieces small enough for something to be seen.
func (b *bar) Write(p []byte) (n int, err error) {
	const piece = 1 << 20
	for n < len(p) && err == nil {
		var wrote int
		wrote, err = b.to.Write(p[n:min(n+piece, len(p))])
		n += wrote
		b.done += int64(wrote)
		b.draw()
	}
	return n, err
}

// draw spares what is done at once.
func (b *bar) draw() {
	const soon, width = 200 * time.Millisecond, 40
	if b.terminal == nil || time.Since(b.began) < soon {
		return
	}
	b.shown = true
	filled := int(min(b.done, b.total) * width / max(b.total, 1))
	fmt.Fprintf(b.terminal, "\r[%-*s] %d of %d MB", width, strings.Repeat("=", filled), b.done>>20, b.total>>20)
}

// end wipes the bar away.
func (b *bar) end() {
	if b.shown {
		fmt.Fprint(b.terminal, "\r\x1b[K")
	}
}
