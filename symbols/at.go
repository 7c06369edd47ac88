package symbols

import (
	"fmt"

	"ktrap/internal/kallsyms"
)

// At returns the symbol that addr lies in and how far in, as the kernel's %pS
// has it: of several names of one place the first in its table. The first call
// reads the whole table, some 3 MB.
func (l *Live) At(addr uint64) (s Symbol, offset uint64, ok bool) {
	if kernel, err := l.kernel(); err == nil {
		if s, ok := holding(kernel, addr); ok {
			return s, addr - s.Addr, true
		}
	}
	if modules, _, err := l.modules(); err == nil {
		if s, ok := holding(modules, addr); ok {
			return s, addr - s.Addr, true
		}
	}
	return Symbol{}, 0, false
}

// Aliases returns the symbols of the kernel proper that lie at addr, in the
// order of its table. The first call reads the table, some 3 MB.
func (l *Live) Aliases(addr uint64) ([]Symbol, error) {
	kernel, err := l.kernel()
	if err != nil {
		return nil, err
	}
	var all []Symbol
	i, ok := kallsyms.Holding(kernel, addr)
	for ; ok && i < kernel.Len() && kernel.Addr(i) == addr; i++ {
		all = append(all, Symbol(kernel.Symbol(i)))
	}
	return all, nil
}

func holding(t table, addr uint64) (Symbol, bool) {
	i, ok := kallsyms.Holding(t, addr)
	if !ok {
		return Symbol{}, false
	}
	s := Symbol(t.Symbol(i))
	return s, addr-s.Addr < s.Size
}

// InText says whether addr lies in the kernel's code, that gone after boot left
// out, or in a module's.
func (l *Live) InText(addr uint64) (bool, error) {
	text, err := l.text()
	if err != nil {
		return false, err
	}
	if text.hold(addr) {
		return true, nil
	}
	modules, loaded, err := l.modules()
	if err != nil {
		return false, err
	}
	s, ok := holding(modules, addr)
	return ok && s.isFunction() && isLoaded(loaded, s.Module), nil
}

func (l *Live) findText() (b bounds, err error) {
	if b.start, err = l.only("_stext"); err == nil {
		b.end, err = l.only("_etext")
	}
	return b, err
}

// only returns the address of a symbol that every kernel has.
func (l *Live) only(name string) (uint64, error) {
	found, err := l.named(name)
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, fmt.Errorf("this kernel has no symbol %s", name)
	}
	return found[0].Addr, nil
}

// Code returns n bytes of the running kernel's memory from addr on, with
// whatever the kernel and its tracers have patched into it.
func (l *Live) Code(addr uint64, n int) ([]byte, error) {
	core, err := l.core()
	if err != nil {
		return nil, fmt.Errorf("read kernel code (it takes CAP_SYS_RAWIO, and a kernel not locked down to confidentiality): %w", err)
	}
	code := make([]byte, n)
	return code, core.ReadMem(code, addr)
}
