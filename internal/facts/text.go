package facts

import (
	"fmt"
	"strconv"
	"strings"
)

// LockdownMode returns the chosen word of /sys/kernel/security/lockdown, as in
//
//	none [integrity] confidentiality
func LockdownMode(text string) string {
	_, rest, _ := strings.Cut(text, "[")
	mode, _, _ := strings.Cut(rest, "]")
	return mode
}

// CountCPUs counts a list of CPUs as sysfs writes it, as in
//
//	0-3,7
func CountCPUs(list string) int {
	count := 0
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(to)
		}
		if err == nil {
			count += last - first + 1
		}
	}
	return count
}

// ParsePMU reads the kprobe PMU's type and format/retprobe, as in
//
//	6
//	config:0
func ParsePMU(kind, retprobe string) (PMU, error) {
	number, err := strconv.ParseUint(strings.TrimSpace(kind), 10, 32)
	if err != nil {
		return PMU{}, fmt.Errorf("type of the kprobe PMU: %w", err)
	}
	_, place, _ := strings.Cut(strings.TrimSpace(retprobe), "config:")
	bit, err := strconv.ParseUint(place, 10, 6)
	if err != nil {
		return PMU{}, fmt.Errorf("return bit of the kprobe PMU: %w", err)
	}
	return PMU{uint32(number), uint8(bit)}, nil
}
