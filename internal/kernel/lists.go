package kernel

import (
	"fmt"
	"os"

	"ktrap/internal/facts"
	"ktrap/internal/probelist"
)

// Blacklist returns the ranges in which the kernel refuses kprobes. It needs
// root and debugfs.
func Blacklist() ([]facts.Range, error) {
	f, err := os.Open("/sys/kernel/debug/kprobes/blacklist")
	if err != nil {
		return nil, fmt.Errorf("read the kprobe blacklist: %w", err)
	}
	defer f.Close()
	return facts.ParseBlacklist(f)
}

// Kprobes lists the kprobes of the machine, whoever made them; none where they
// can't be read. It needs root and debugfs.
func Kprobes() []probelist.Probe {
	var s probelist.Sources
	// What can't be read is nothing that this list can tell.
	_ = readKprobes(&s)
	return append([]probelist.Probe{}, s.Kprobes...)
}

// Function names a traceable function.
type Function struct{ Name, Module string }

// Traceable returns the functions that ftrace, and with it every probe of an
// entry, can reach. It needs root and tracefs, and takes the kernel a while.
func Traceable() (map[Function]bool, error) {
	dir, err := Tracefs()
	if err != nil {
		return nil, err
	}
	f, err := os.Open(dir + "/available_filter_functions")
	if err != nil {
		return nil, fmt.Errorf("read the traceable functions: %w", err)
	}
	defer f.Close()
	functions := map[Function]bool{}
	for name, module := range facts.Traceable(f) {
		functions[Function{name, module}] = true
	}
	return functions, nil
}
