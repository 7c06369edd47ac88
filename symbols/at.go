package symbols

import (
	"fmt"

	"ktrap/internal/kallsyms"
)

// At returns the symbol that addr lies in and how far in, as the kernel's %pS
// has it: of several names of one place the first in its table. The first call
// reads the whole table, some 3 MB.
func (v *view) At(addr uint64) (s Symbol, offset uint64, ok bool) {
	if kernel, err := v.kernel(); err == nil {
		if s, ok := holding(kernel, addr); ok {
			return s, addr - s.Addr, true
		}
	}
	if modules, _, err := v.modules(); err == nil {
		if s, ok := holding(modules, addr); ok {
			return s, addr - s.Addr, true
		}
	}
	return Symbol{}, 0, false
}

// Aliases returns the symbols of the kernel proper that lie at addr, in the
// order of its table. The first call reads the table, some 3 MB.
func (v *view) Aliases(addr uint64) ([]Symbol, error) {
	kernel, err := v.kernel()
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
func (v *view) InText(addr uint64) (bool, error) {
	text, err := v.text()
	if err != nil {
		return false, err
	}
	if text.hold(addr) {
		return true, nil
	}
	modules, loaded, err := v.modules()
	if err != nil {
		return false, err
	}
	s, ok := holding(modules, addr)
	return ok && s.isFunction() && isLoaded(loaded, s.Module), nil
}

func (v *view) findText() (b bounds, err error) {
	if b.start, err = v.only("_stext"); err == nil {
		b.end, err = v.only("_etext")
	}
	return b, err
}

// only returns the address of a symbol that every kernel has.
func (v *view) only(name string) (uint64, error) {
	found, err := v.Named(name)
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return 0, fmt.Errorf("%s has no symbol %s", v.home(), name)
	}
	return found[0].Addr, nil
}

// Code returns n bytes of the kernel's memory from addr on; of the running
// kernel's with whatever it and its tracers have patched into it.
func (v *view) Code(addr uint64, n int) ([]byte, error) {
	code := make([]byte, n)
	return code, v.ReadMem(code, addr)
}

// ReadMem fills p with the kernel's memory from addr on.
func (v *view) ReadMem(p []byte, addr uint64) error {
	memory, err := v.memory()
	if err != nil {
		return err
	}
	return memory.ReadMem(p, addr)
}
