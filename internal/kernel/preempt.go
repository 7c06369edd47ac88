package kernel

import (
	"os"
	"strings"
)

// Preemptible tells whether the kernel is built to preempt itself, whatever it
// does at the moment: only then its banner has the word.
func Preemptible() bool {
	version, _ := os.ReadFile("/proc/version")
	return strings.Contains(string(version), " PREEMPT")
}
