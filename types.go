package ktrap

import (
	"errors"
	"fmt"
	"strings"

	"ktrap/internal/btf"
	"ktrap/internal/kernel"
	"ktrap/symbols"
)

// types are the BTF opened so far.
type types struct {
	kernel  *btf.Spec
	err     error // why there is none of the kernel
	modules map[string]*btf.Spec
	// index has the kernel's functions of the names that were looked up together.
	index map[string][]btf.ID
}

// function finds a function in BTF. The error says why it is not there: then
// arguments have no names or types.
func (k *Kernel) function(sym symbols.Symbol) (*btf.Spec, btf.ID, error) {
	spec, err := k.spec(sym.Module)
	if err != nil {
		return nil, 0, err
	}
	name := sym.Name
	ids, indexed := k.types.index[name]
	if !indexed || sym.Module != "" {
		ids = spec.Funcs(name)
	}
	if len(ids) == 0 && sym.Module == "" && !strings.Contains(name, ".") {
		ids = k.aliased(spec, sym)
	}
	switch {
	case len(ids) == 1:
		return spec, ids[0], nil
	case len(ids) > 1:
		return nil, 0, fmt.Errorf("BTF has %d functions named %s, with different arguments", len(ids), name)
	case strings.Contains(name, "."):
		return nil, 0, errChanged
	}
	return nil, 0, errNotInBTF
}

var errNotInBTF = errors.New("BTF does not know it")

var errChanged = errors.New("a copy that the compiler changed: its arguments are not those of the source")

// aliased finds the functions of BTF that have another name of the same place:
// __x64_sys_getppid is __do_sys_getppid.
func (k *Kernel) aliased(spec *btf.Spec, sym symbols.Symbol) []btf.ID {
	aliases, err := k.symbols.Aliases(sym.Addr)
	if err != nil {
		return nil
	}
	for _, other := range aliases {
		if other.Name == sym.Name {
			continue
		}
		if ids := spec.Funcs(other.Name); len(ids) > 0 {
			return ids
		}
	}
	return nil
}

// indexFunctions looks up many functions in one pass over BTF.
func (k *Kernel) indexFunctions(names []string) {
	if len(names) < 2 {
		return
	}
	if spec, err := k.spec(""); err == nil {
		k.types.index = spec.FuncIndex(names)
	}
}

// spec opens the BTF of the kernel or of a module, once.
func (k *Kernel) spec(module string) (*btf.Spec, error) {
	t := &k.types
	if t.kernel == nil && t.err == nil {
		t.kernel, t.err = k.openTypes()
	}
	if t.err != nil || module == "" {
		return t.kernel, t.err
	}
	if spec, ok := t.modules[module]; ok {
		return spec, nil
	}
	spec, err := openBTF(module, t.kernel)
	if err != nil {
		return nil, err
	}
	if t.modules == nil {
		t.modules = map[string]*btf.Spec{}
	}
	t.modules[module] = spec
	return spec, nil
}

// openTypes opens the types of the kernel proper.
func (k *Kernel) openTypes() (*btf.Spec, error) {
	image, ok := k.symbols.(*symbols.Image)
	if !ok {
		return openBTF("", nil)
	}
	spec, err := btf.Parse(image.BTF(), nil)
	if err != nil {
		return nil, fmt.Errorf("%s has no BTF that can be read: %w", image.Path(), err)
	}
	return spec, nil
}

func openBTF(module string, base *btf.Spec) (*btf.Spec, error) {
	data, err := kernel.BTF(module)
	if err != nil {
		return nil, err
	}
	return btf.Parse(data, base)
}
