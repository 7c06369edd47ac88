package lab

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

// console keeps the end of what a machine said on its serial port.
type console struct {
	mu   sync.Mutex
	end  []byte
	copy io.Writer
}

const consoleKept = 32 << 10

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = append(c.end, p...)
	if extra := len(c.end) - consoleKept; extra > 0 {
		c.end = append(c.end[:0], c.end[extra:]...)
	}
	if c.copy != nil {
		c.copy.Write(p)
	}
	return len(p), nil
}

// tail returns the last n lines.
func (c *console) tail(n int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	text := strings.ReplaceAll(string(bytes.TrimSpace(c.end)), "\r", "")
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
