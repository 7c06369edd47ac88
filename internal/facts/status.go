package facts

import (
	"strconv"
	"strings"
)

// Status is what a process may do, as its /proc/PID/status tells:
//
//	CapEff:	000001ffffffffff
//	Seccomp:	0
type Status struct {
	Effective uint64 // a bit a capability
	Filtered  bool   // seccomp filters its system calls
}

// Capabilities that this package names, from linux/capability.h.
const (
	capSysAdmin = 21
	capPerfmon  = 38
	capBPF      = 39
)

// ParseStatus reads the text of /proc/PID/status. What is not there is zero.
func ParseStatus(text string) *Status {
	var s Status
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "CapEff":
			s.Effective, _ = strconv.ParseUint(value, 16, 64)
		case "Seccomp":
			s.Filtered = value == "2"
		}
	}
	return &s
}

// Has reports whether the process has a capability, by its number.
func (s *Status) Has(capability int) bool { return s.Effective>>capability&1 == 1 }

// Lacking names the capabilities that probes need and the process has not:
// CAP_SYS_ADMIN, or in its stead both others.
func (s *Status) Lacking() []string {
	var names []string
	if !s.Has(capSysAdmin) && !s.Has(capBPF) {
		names = append(names, "CAP_BPF")
	}
	if !s.Has(capSysAdmin) && !s.Has(capPerfmon) {
		names = append(names, "CAP_PERFMON")
	}
	return names
}
