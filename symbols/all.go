package symbols

import (
	"iter"
)

// All yields every symbol as /proc/kallsyms lists them: the kernel's, then those
// of modules and of what passes for one. It is that file's own text where that
// shows addresses; else what the kernel's memory holds, which is all but the
// names of generated code (BPF programs, trampolines), and tells not which of a
// module's symbols are exported.
func (l *Live) All() iter.Seq2[Symbol, error] {
	kernel, modules, err := l.everything()
	return inOrder(err, kernel, modules)
}

func (l *Live) everything() (kernel, modules table, err error) {
	if kernel, modules, err := l.readText(false); err == nil {
		return kernel, modules, nil
	}
	if kernel, err = l.kernel(); err != nil {
		return nil, nil, err
	}
	modules, _, err = l.modules()
	return kernel, modules, err
}

func inOrder(err error, tables ...table) iter.Seq2[Symbol, error] {
	return func(yield func(Symbol, error) bool) {
		if err != nil {
			yield(Symbol{}, err)
			return
		}
		for _, t := range tables {
			for s := range t.InOrder() {
				if !yield(Symbol(s), nil) {
					return
				}
			}
		}
	}
}
