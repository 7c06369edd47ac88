package symbols

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"ktrap/internal/kallsyms"
)

// Lookup returns every symbol of that name, by address: of the named module; or
// if none is named of the kernel proper, and where that has none of any module.
// Names are not unique; what several mean is for the caller to say. If there is
// none the error is a *NotFoundError.
func (v *view) Lookup(module, name string) ([]Symbol, error) {
	if module == "" {
		if found, err := v.Named(name); err != nil || len(found) > 0 {
			return found, err
		}
	}
	found, err := v.inModules(module, func(s Symbol) bool { return s.Name == name })
	if err != nil || len(found) > 0 {
		return found, err
	}
	return nil, v.notFound(module, name)
}

// Match returns the functions whose names match a pattern as path.Match has it,
// by address: of the named module, or if none is named of the kernel and of all
// modules. Code that is gone after boot is left out, as are the names of padding
// before functions. If there is none the error is a *NotFoundError.
func (v *view) Match(module, glob string) ([]Symbol, error) {
	return v.match(module, glob, v.functions)
}

// Glob returns the symbols of every kind whose names match a pattern as
// path.Match has it, by address: of the named module, or if none is named of the
// kernel, then of all modules. If there is none the error is a *NotFoundError.
func (v *view) Glob(module, glob string) ([]Symbol, error) {
	found, err := v.match(module, glob, v.beginning)
	var missing *NotFoundError
	if errors.As(err, &missing) {
		missing.AnyKind = true
	}
	return found, err
}

// match returns those of candidates, which it asks for by what the pattern
// begins with, that match.
func (v *view) match(module, glob string, candidates func(module, prefix string, match func(string) bool) ([]Symbol, error)) ([]Symbol, error) {
	if _, err := path.Match(glob, ""); err != nil {
		return nil, fmt.Errorf("match symbols with %s: %w", glob, err)
	}
	fixed := glob[:strings.IndexAny(glob+"*", `*?[\`)]
	found, err := candidates(module, fixed, func(name string) bool {
		ok, _ := path.Match(glob, name)
		return ok
	})
	if err != nil || len(found) > 0 {
		return found, err
	}
	return nil, v.notFound(module, glob)
}

// beginning returns the symbols of a module, or if none is named of the kernel
// and all modules, whose names begin with prefix and match.
func (v *view) beginning(module, prefix string, match func(string) bool) (found []Symbol, err error) {
	if module == "" {
		if found, err = v.inKernel(prefix, func(s Symbol) bool { return match(s.Name) }); err != nil {
			return nil, err
		}
	}
	more, err := v.inModules(module, func(s Symbol) bool {
		return strings.HasPrefix(s.Name, prefix) && match(s.Name)
	})
	return append(found, more...), err
}

// Clones returns the functions that the compiler made out of the named one, by
// address: NAME.isra.0, .constprop.0, .part.0, .cold and the like. To have none
// is no error.
func (v *view) Clones(module, name string) ([]Symbol, error) {
	return v.functions(module, name+".", func(string) bool { return true })
}

// functions returns the functions of a module, or if none is named of the kernel
// and all modules, whose names begin with prefix and match.
func (v *view) functions(module, prefix string, match func(string) bool) (found []Symbol, err error) {
	if module == "" {
		text, err := v.text()
		if err != nil {
			return nil, err
		}
		found, err = v.inKernel(prefix, func(s Symbol) bool {
			return text.hold(s.Addr) && s.isFunction() && match(s.Name)
		})
		if err != nil {
			return nil, err
		}
	}
	more, err := v.inModules(module, func(s Symbol) bool {
		return strings.HasPrefix(s.Name, prefix) && s.isFunction() && match(s.Name)
	})
	return append(found, more...), err
}

// isFunction goes by the letter, which tells code from data in modules and
// within the bounds of the kernel's text.
func (s Symbol) isFunction() bool {
	return strings.IndexByte("tTwW", s.Type) >= 0 && !isPadding(s.Name)
}

// isPadding knows the names of the bytes before functions (b341b20d648b).
func isPadding(name string) bool {
	return strings.HasPrefix(name, "__pfx_") || strings.HasPrefix(name, "__cfi_")
}

// Named returns the kernel's own symbols of exactly that name; to have none is no
// error.
func (v *view) Named(name string) ([]Symbol, error) {
	return v.inKernel(name, func(s Symbol) bool { return s.Name == name })
}

// inKernel returns the kernel's own symbols whose names begin with prefix and
// that match, by address. It does without the whole table if it can.
func (v *view) inKernel(prefix string, match func(Symbol) bool) (found []Symbol, err error) {
	candidates, err := v.search(prefix)
	if err != nil {
		t, err := v.kernel()
		if err != nil {
			return nil, err
		}
		candidates = t.WithPrefix(prefix)
	}
	for s := range candidates {
		if s := Symbol(s); match(s) {
			found = append(found, s)
		}
	}
	return found, nil
}

// search is the quick way to the kernel's symbols that begin with prefix.
func (v *view) search(prefix string) (iter.Seq[kallsyms.Symbol], error) {
	memory, layout, err := v.source()
	if err != nil {
		return nil, err
	}
	found, err := kallsyms.Search(memory, layout, prefix)
	slices.SortStableFunc(found, func(a, b kallsyms.Symbol) int { return cmp.Compare(a.Addr, b.Addr) })
	return slices.Values(found), err
}

// loadTable makes the kernel's own table ready to be read.
func (v *view) loadTable() (table, error) {
	memory, layout, err := v.source()
	if err != nil {
		return nil, err
	}
	return kallsyms.Load(memory, layout)
}

// source returns the kernel's memory and where its table lies in it.
func (v *view) source() (kallsyms.Memory, kallsyms.Layout, error) {
	layout, err := v.layout()
	if err != nil {
		return nil, layout, err
	}
	memory, err := v.memory()
	return memory, layout, err
}

// inModules returns the symbols of the named module, or of all, that match.
func (v *view) inModules(name string, match func(Symbol) bool) ([]Symbol, error) {
	listed, loaded, err := v.modules()
	if err != nil {
		return nil, err
	}
	var found []Symbol
	for i := range listed.Len() {
		s := Symbol(listed.Symbol(i))
		if (name == "" || s.Module == name) && match(s) && isLoaded(loaded, s.Module) {
			found = append(found, s)
		}
	}
	return found, nil
}

func isLoaded(loaded []module, name string) bool {
	return slices.ContainsFunc(loaded, func(m module) bool { return m.name == name })
}
