package ktrap

import (
	"runtime"
	"strconv"
	"strings"

	"ktrap/internal/disasm"
	"ktrap/internal/kernel"
	"ktrap/internal/patch"
	"ktrap/internal/probelist"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// Kernel is a kernel to ask about. Nothing is armed or changed by asking.
type Kernel struct {
	symbols symbols.Kernel
	live    bool   // it runs, and shows this process its addresses
	goarch  string // as GOARCH says
	arch    disasm.Arch
	release string // as uname -r says
	source  string // where its code is read
	types   types
	site    *site.Kernel // what the kernel tells of itself, once read
	codes   map[uint64][]byte
	tables  map[tableOf]*patch.Table      // by function
	bounds  map[string]map[string]uint64 // see patches.go
	// kprobes are those of the machine, as of the latest reading.
	kprobes []probelist.Probe
	// traceable is what ftrace can reach, read when a pattern or a refusal asks.
	traceable map[kernel.Function]bool
}

// KernelConfig says which kernel to ask.
type KernelConfig struct {
	// Image is the path of a kernel image; empty for the running kernel.
	Image string
	// Warn, if not nil, is told what does not change the answers: why they come
	// late, or which addresses they have.
	Warn func(error)
}

// Open opens a kernel to ask about.
func (c KernelConfig) Open() (*Kernel, error) {
	return running(), nil
}

// Close lets go of what was opened. Nothing may be asked after it.
func (k *Kernel) Close() error { return k.symbols.Close() }

// running is the kernel that runs.
func running() *Kernel {
	// What is not known has no code that could be cut: Open refuses it.
	arch, _ := disasm.ArchNamed(runtime.GOARCH)
	return &Kernel{
		symbols: symbols.Open(symbols.Options{}), live: true,
		goarch:  runtime.GOARCH, arch: arch, release: kernel.Release(), source: "live",
		codes: map[uint64][]byte{}, tables: map[tableOf]*patch.Table{},
	}
}

// version is the release's two leading numbers; zeros if it has none.
func (k *Kernel) version() (v [2]int) {
	major, rest, _ := strings.Cut(k.release, ".")
	minor := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	v[0], _ = strconv.Atoi(major)
	v[1], _ = strconv.Atoi(minor)
	return v
}
