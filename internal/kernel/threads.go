package kernel

import (
	"fmt"
	"os"
)

// Threads is how many threads the machine has; 0 if that can't be read.
func Threads() uint64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	var load [3]float64
	var running, all uint64
	fmt.Sscanf(string(text), "%g %g %g %d/%d", &load[0], &load[1], &load[2], &running, &all)
	return all
}
