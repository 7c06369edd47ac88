package symbols

import (
	"iter"

	"ktrap/internal/kallsyms"
)

// A Kernel answers for the symbols of one kernel: *Live for the one that runs,
// *Image for one in a file. It may be used from many goroutines.
type Kernel interface {
	Lookup(module, name string) ([]Symbol, error)
	Named(name string) ([]Symbol, error)
	Match(module, glob string) ([]Symbol, error)
	Glob(module, glob string) ([]Symbol, error)
	Clones(module, name string) ([]Symbol, error)
	Suggest(module, name string, n int) []string
	At(addr uint64) (s Symbol, offset uint64, ok bool)
	Aliases(addr uint64) ([]Symbol, error)
	InText(addr uint64) (bool, error)
	All() iter.Seq2[Symbol, error]
	Code(addr uint64, n int) ([]byte, error)
	ReadMem(p []byte, addr uint64) error
	// KASLR returns by how much the running kernel's addresses are above those
	// it was linked for; an error where that can't be known of this kernel.
	KASLR() (uint64, error)
	Close() error
}

// A view answers out of what its kernel gives it: the look-ups that a running
// kernel and an image have in common.
type view struct {
	image  string // the image's name; "" for the running kernel
	memory func() (kallsyms.Memory, error)
	layout func() (kallsyms.Layout, error)
	kernel func() (table, error)
	text   func() (bounds, error)
	// loaded are the modules now loaded, and modules are their symbols too.
	loaded  func() ([]module, error)
	modules func() (*kallsyms.List, []module, error)
}

// A table holds the symbols of the kernel proper, or of all modules.
type table interface {
	Len() int
	Addr(i int) uint64
	Symbol(i int) kallsyms.Symbol
	WithPrefix(prefix string) iter.Seq[kallsyms.Symbol]
	Names(start, end uint64) iter.Seq[[]byte]
	InOrder() iter.Seq[kallsyms.Symbol]
}

// bounds are those of the kernel's code that stays after boot.
type bounds struct{ start, end uint64 }

func (b bounds) hold(addr uint64) bool { return b.start <= addr && addr < b.end }

// A module is known by both: loaded again, it lies elsewhere.
type module struct{ name, addr string }
