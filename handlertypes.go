package ktrap

import (
	"regexp"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/compile"
	"ktrap/internal/place"
	"ktrap/symbols"
)

// env is what a handler file is checked against: the kernel's types, and those of
// the module of which it probes a function. Only one can be had at a time; what a
// handler then lacks is told at its line.
func (k *Kernel) env(a *arch.Arch, f HandlerFile) compile.Env {
	e := compile.Env{Arch: a, Place: f.Place}
	e.BTF, _ = k.spec("")
	for _, at := range append(placesIn(f.Text), f.Place) {
		if sym, ok := k.functionAt(at); ok && sym.Module != "" {
			if spec, err := k.spec(sym.Module); err == nil {
				e.BTF = spec
				break
			}
		}
	}
	e.Func = func(at string) btf.ID {
		sym, ok := k.functionAt(at)
		if !ok {
			return 0
		}
		spec, id, err := k.function(sym)
		if err != nil || spec != e.BTF && spec != e.BTF.Base() {
			return 0
		}
		return id
	}
	return e
}

// functionAt is the function that a place is the entry of.
func (k *Kernel) functionAt(at string) (symbols.Symbol, bool) {
	p, err := place.Parse(at)
	if err != nil || !p.IsEntry() {
		return symbols.Symbol{}, false
	}
	sym, _, err := k.find(p)
	return sym, err == nil
}

// missing is why the first of a file's functions is not there: without it, its
// parameters are not known either.
func (k *Kernel) missing(f HandlerFile) error {
	for _, at := range append(placesIn(f.Text), f.Place) {
		p, err := place.Parse(at)
		if err != nil || p.Symbol == "" || p.Glob {
			continue
		}
		if _, _, err := k.find(p); err != nil {
			return err
		}
	}
	return nil
}

var directive = regexp.MustCompile(`(?m)^//ktrap:[a-z]+[ \t]+(\S+)`)

// placesIn are the places that a handler file names.
func placesIn(text []byte) (places []string) {
	for _, found := range directive.FindAllSubmatch(text, -1) {
		places = append(places, string(found[1]))
	}
	return places
}
