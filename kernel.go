package ktrap

import (
	"errors"
	"fmt"
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
	buildID string // of an image
	source  string // where its code is read
	types   types
	site    *site.Kernel // what the kernel tells of itself, once read
	codes   map[uint64][]byte
	tables  map[tableOf]*patch.Table // by function
	known   map[outcomesOf]*outcomes
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

// Open opens a kernel to ask about. Where the running kernel hides its addresses
// from this process, it is asked through its image, if that is installed: at the
// addresses that it was linked for, as Warn is told.
func (c KernelConfig) Open() (*Kernel, error) {
	o := symbols.ImageOptions{Warn: c.Warn}
	if c.Image != "" {
		image, err := symbols.OpenImage(c.Image, o)
		if err != nil {
			return nil, err
		}
		return ofImage(image)
	}
	open, note, err := symbols.Running(o)
	if err != nil {
		return nil, err
	}
	if note != "" && c.Warn != nil {
		c.Warn(errors.New(note))
	}
	if image, ok := open.(*symbols.Image); ok {
		return ofImage(image)
	}
	return running(open), nil
}

// ofImage is the kernel in an image.
func ofImage(image *symbols.Image) (*Kernel, error) {
	arch, err := disasm.ArchNamed(image.Arch())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the code in %s: %w", image.Path(), err), image.Close())
	}
	return &Kernel{
		symbols: image, goarch: image.Arch(), arch: arch, release: image.Release(), buildID: image.BuildID(), source: image.Path(),
		codes: map[uint64][]byte{}, tables: map[tableOf]*patch.Table{}, known: map[outcomesOf]*outcomes{},
	}, nil
}

// Symbols answers for the kernel's names and addresses, until Close.
func (k *Kernel) Symbols() symbols.Kernel { return k.symbols }

// Close lets go of what was opened. Nothing may be asked after it.
func (k *Kernel) Close() error { return k.symbols.Close() }

// running is the kernel that runs.
func running(live symbols.Kernel) *Kernel {
	// What is not known has no code that could be cut: Open refuses it.
	arch, _ := disasm.ArchNamed(runtime.GOARCH)
	return &Kernel{
		symbols: live, live: true, goarch: runtime.GOARCH, arch: arch, release: kernel.Release(), source: "live",
		codes: map[uint64][]byte{}, tables: map[tableOf]*patch.Table{}, known: map[outcomesOf]*outcomes{},
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
