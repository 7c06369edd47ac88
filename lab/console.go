package lab

import (
	"bytes"
	"io"
	"regexp"
	"slices"
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

// report returns what tells why the machine is gone: the kernel's panic in a
// line, and the text from its first complaint on, or the last lines.
func (c *console) report() (panicked, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	text = strings.ReplaceAll(string(bytes.TrimSpace(c.end)), "\r", "")
	if line := panicLine.FindStringSubmatch(text); line != nil {
		panicked = line[1]
	}
	lines := strings.Split(text, "\n")
	if first := slices.IndexFunc(lines, complaint.MatchString); first >= 0 {
		return panicked, strings.Join(lines[first:min(first+100, len(lines))], "\n")
	}
	return panicked, strings.Join(lines[max(0, len(lines)-30):], "\n")
}

var (
	panicLine = regexp.MustCompile(`Kernel panic - not syncing: (.*)`)
	complaint = regexp.MustCompile(`BUG: |Oops|Kernel panic|general protection|double fault|lockup|ktrap lab:`)
)
