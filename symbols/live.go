package symbols

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ktrap/internal/kallsyms"
	"ktrap/internal/kcore"
)

// Options say where to look. The zero value is right for the running kernel.
type Options struct {
	Proc string // where proc is mounted; "" for /proc
}

// Live answers for the running kernel. It may be used from many goroutines.
type Live struct {
	view
	proc   string
	opened atomic.Pointer[kcore.Core]
	core   func() (*kcore.Core, error)

	mu    sync.Mutex // guards what follows
	known []module   // those in list
	list  *kallsyms.List
}

// Open returns the running kernel's symbols. It reads nothing yet.
func Open(o Options) *Live {
	l := &Live{proc: cmp.Or(o.Proc, "/proc")}
	l.core = sync.OnceValues(func() (*kcore.Core, error) {
		core, err := kcore.Open(l.path("kcore"))
		l.opened.Store(core)
		return core, err
	})
	l.view = view{
		memory:  l.findMemory,
		layout:  sync.OnceValues(l.findLayout),
		kernel:  sync.OnceValues(l.loadKernel),
		loaded:  l.readModules,
		modules: l.listModules,
	}
	l.text = sync.OnceValues(l.findText)
	return l
}

// Close closes what was opened. Nothing may be asked after it.
func (l *Live) Close() error {
	if core := l.opened.Load(); core != nil {
		return core.Close()
	}
	return nil
}

func (l *Live) path(name string) string { return filepath.Join(l.proc, name) }

// findLayout learns where the kernel's tables are: from VMCOREINFO since 6.0
// (5fd8fea935a1), else by their structure.
func (l *Live) findLayout() (kallsyms.Layout, error) {
	core, err := l.core()
	if err != nil {
		return kallsyms.Layout{}, err
	}
	info := core.Info()
	layout := kallsyms.Layout{
		NumSyms:      info.Symbol("kallsyms_num_syms"),
		Names:        info.Symbol("kallsyms_names"),
		TokenTable:   info.Symbol("kallsyms_token_table"),
		TokenIndex:   info.Symbol("kallsyms_token_index"),
		Offsets:      info.Symbol("kallsyms_offsets"),
		RelativeBase: info.Symbol("kallsyms_relative_base"),
	}
	if layout.Offsets != 0 {
		return layout, nil
	}
	const largest = 128 << 20 // bytes of a kernel
	start := info.Symbol("_stext")
	return kallsyms.Locate(core, start, start+largest)
}

func (l *Live) findMemory() (kallsyms.Memory, error) {
	core, err := l.core()
	if err != nil {
		return nil, fmt.Errorf("read kernel memory (it takes CAP_SYS_RAWIO, and a kernel not locked down to confidentiality): %w", err)
	}
	return core, nil
}

func (l *Live) loadKernel() (table, error) {
	if t, err := l.loadTable(); err == nil {
		return t, nil
	}
	kernel, _, err := l.readText(false)
	return kernel, err
}

// readText reads /proc/kallsyms, or says why its addresses can't be had.
func (l *Live) readText(modulesOnly bool) (kernel, modules *kallsyms.List, err error) {
	f, err := os.Open(l.path("kallsyms"))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	if hidden, err := startsWithZeros(f); err != nil {
		return nil, nil, err
	} else if hidden {
		return nil, nil, l.hiddenError()
	}
	return kallsyms.Read(f, modulesOnly)
}

// startsWithZeros reads a page ahead: reading all takes long. Up to three
// symbols of a kernel are truly at 0.
func startsWithZeros(f *os.File) (bool, error) {
	head := make([]byte, 4096)
	n, err := f.ReadAt(head, 0)
	if n == 0 {
		return false, err
	}
	for line := range strings.Lines(string(head[:n])) {
		if addr, _, _ := strings.Cut(line, " "); strings.Trim(addr, "0") != "" {
			return false, nil
		}
	}
	return true, nil
}

// listModules returns the symbols of the modules now loaded, and which these are.
// They are read again when a module came or went.
func (l *Live) listModules() (*kallsyms.List, []module, error) {
	loaded, err := l.loaded()
	if err != nil {
		return nil, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil || !slices.Equal(loaded, l.known) {
		list, err := l.loadModules(loaded)
		if err != nil {
			return nil, nil, err
		}
		l.known, l.list = loaded, list
	}
	return l.list, l.known, nil
}

func (l *Live) loadModules(loaded []module) (*kallsyms.List, error) {
	if len(loaded) == 0 {
		return &kallsyms.List{}, nil
	}
	if listed, err := l.modulesInMemory(loaded); err == nil {
		return listed, nil
	}
	_, listed, err := l.readText(true)
	return listed, err
}

// modulesInMemory follows the kernel's own list, which must agree with the
// modules known to be loaded.
func (l *Live) modulesInMemory(loaded []module) (*kallsyms.List, error) {
	core, err := l.core()
	if err != nil {
		return nil, err
	}
	head, err := l.only("modules")
	if err != nil {
		return nil, err
	}
	listed, names, err := kallsyms.LoadModules(core, head)
	if err != nil {
		return nil, err
	}
	if !slices.EqualFunc(loaded, names, func(m module, name string) bool { return m.name == name }) {
		return nil, fmt.Errorf("the kernel lists other modules than /proc/modules: %v", names)
	}
	return listed, nil
}

// readModules reads /proc/modules, which a kernel without modules lacks.
func (l *Live) readModules() (loaded []module, err error) {
	text, err := os.ReadFile(l.path("modules"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 6 { // name size uses users state address
			loaded = append(loaded, module{f[0], f[5]})
		}
	}
	return loaded, nil
}
