package ktrap

import (
	"ktrap/internal/kernel"
	"ktrap/internal/probelist"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// Kernel is a kernel to ask about. Nothing is armed or changed by asking.
type Kernel struct {
	symbols *symbols.Live
	types   types
	site    *site.Kernel // the kernel's lists of forbidden places, once read
	codes   map[uint64][]byte
	// kprobes are those of the machine, as of the latest reading.
	kprobes []probelist.Probe
	// traceable is what ftrace can reach, read when a pattern or a refusal asks.
	traceable map[kernel.Function]bool
}

// running is the kernel that runs.
func running() *Kernel {
	return &Kernel{symbols: symbols.Open(symbols.Options{}), codes: map[uint64][]byte{}}
}
