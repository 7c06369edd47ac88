package ktrap

import (
	"runtime"

	"ktrap/internal/disasm"
	"ktrap/internal/kernel"
	"ktrap/internal/probelist"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// Kernel is a kernel to ask about. Nothing is armed or changed by asking.
type Kernel struct {
	symbols symbols.Kernel
	arch    disasm.Arch
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
	// What is not known has no code that could be cut: Open refuses it.
	arch, _ := disasm.ArchNamed(runtime.GOARCH)
	return &Kernel{symbols: symbols.Open(symbols.Options{}), arch: arch, codes: map[uint64][]byte{}}
}
