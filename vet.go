package ktrap

import (
	"slices"
	"strings"

	"ktrap/internal/kernel"
	"ktrap/internal/patch"
	"ktrap/internal/probelist"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// wanted is what is asked of a place besides its address.
type wanted struct{ ret, unsafe bool }

// query gathers what the verdict on addr is made from. What can't be read, as
// without debugfs, stays unknown: then the kernel itself will tell.
func (k *Kernel) query(w wanted, sym symbols.Symbol, addr uint64) site.Query {
	q := k.facts(w, sym, addr)
	q.Code = k.code(sym)
	if addr != sym.Addr { // no table has the entry
		q.Patches = k.patches(sym)
	}
	return q
}

// facts are those of a query that don't depend on the code.
func (k *Kernel) facts(w wanted, sym symbols.Symbol, addr uint64) site.Query {
	q := site.Query{
		Addr:   addr,
		Return: w.ret,
		Unsafe: w.unsafe,
		Func:   site.Func{Name: sym.Name, Module: sym.Module, Addr: sym.Addr, Size: sym.Size},
		Kernel: k.rules(),
	}
	if in, err := k.symbols.InText(addr); err == nil {
		q.InText = site.AnswerOf(in)
	}
	if base, _, clone := strings.Cut(sym.Name, "."); clone {
		q.Func.Base = k.base(sym.Module, base)
	}
	if k.traceable != nil {
		q.Func.Traceable = site.AnswerOf(k.canTrace(sym))
	}
	return q
}

// base is the address of the function that a clone was cut from, 0 if there is
// none of its name.
func (k *Kernel) base(module, name string) uint64 {
	found, err := k.symbols.Named(name)
	if module != "" {
		found, err = k.symbols.Lookup(module, name)
	}
	if err != nil || len(found) == 0 {
		return 0
	}
	return found[0].Addr
}

// canTrace asks ftrace's list, which has one name of each place. A name may stand
// for several, of which not all begin with ftrace's call.
func (k *Kernel) canTrace(sym symbols.Symbol) bool {
	base, _, clone := strings.Cut(sym.Name, ".")
	if k.traceable[kernel.Function{Name: sym.Name, Module: sym.Module}] || k.traceable[kernel.Function{Name: base, Module: sym.Module}] {
		return clone || k.goarch != "amd64" || !k.beginsOtherwise(sym)
	}
	aliases, err := k.symbols.Aliases(sym.Addr)
	return err == nil && slices.ContainsFunc(aliases, func(other symbols.Symbol) bool {
		return k.traceable[kernel.Function{Name: other.Name}]
	})
}

// beginsOtherwise tells of one of several functions of a name that ftrace does not
// call it. The names are counted last: that takes a while up to 6.1.
func (k *Kernel) beginsOtherwise(sym symbols.Symbol) bool {
	code := k.code(sym)
	if code == nil || site.CallsFtrace(code) {
		return false
	}
	same, err := k.symbols.Lookup(sym.Module, sym.Name)
	return err == nil && len(same) > 1
}

// readTraceable reads what ftrace can reach, which is too slow to be read before
// it is needed. Without the list the kernel itself will tell.
func (k *Kernel) readTraceable() {
	if k.live && k.traceable == nil {
		k.traceable, _ = kernel.Traceable()
	}
}

// rules are what the kernel tells of itself, read once: its list of forbidden
// places, of which an image has tables instead.
func (k *Kernel) rules() *site.Kernel {
	if k.site == nil {
		k.site = &site.Kernel{Arch: k.arch, Release: k.version()}
		if k.live {
			k.site.Blacklist = blacklist()
		} else if image, ok := k.symbols.(*symbols.Image); ok {
			k.site.Blacklist = blacklistOf(image)
		}
	}
	return k.site
}

// blacklistOf is an image's blacklist; nil if it has none that can be read.
func blacklistOf(image *symbols.Image) []site.Range {
	table, _ := image.Patches()
	if !table.Has(patch.Blacklist) {
		return nil
	}
	list := []site.Range{}
	for e := range table.All(patch.Blacklist) {
		list = append(list, site.Range{Start: e.Addr, End: e.End()})
	}
	return list
}

// blacklist is nil if the kernel does not show it.
func blacklist() []site.Range {
	ranges, err := kernel.Blacklist()
	if err != nil {
		return nil
	}
	list := make([]site.Range, len(ranges))
	for i, r := range ranges {
		list[i] = site.Range{Start: r.Start, End: r.End, Name: r.Symbol}
	}
	return list
}

// code returns the code of a function as it is when nobody probes it. It is read
// once, before we arm anything in it; in a function where somebody else's
// breakpoint or jump stands by then, what lies below that is not known, and nil
// is returned.
func (k *Kernel) code(sym symbols.Symbol) []byte {
	if code, read := k.codes[sym.Addr]; read {
		return code
	}
	var code []byte
	if !k.patched(sym) {
		code, _ = k.symbols.Code(sym.Addr, int(sym.Size))
	}
	k.codes[sym.Addr] = code
	return code
}

// patched tells whether a kprobe stands in the function that is no call of
// ftrace's, which takes the place of an instruction of the same length.
func (k *Kernel) patched(sym symbols.Symbol) bool {
	if k.live && k.kprobes == nil {
		k.kprobes = kernel.Kprobes()
	}
	return slices.ContainsFunc(k.kprobes, func(p probelist.Probe) bool {
		return !p.State.Ftrace && uint64(p.Addr)-sym.Addr < sym.Size
	})
}
