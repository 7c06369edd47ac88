package ktrap

import (
	"slices"

	"ktrap/internal/disasm"
	"ktrap/internal/patch"
	"ktrap/symbols"
)

// entered are the addresses in a function to which code jumps back that the compiler
// put elsewhere: the function's unlikely part, and what mends a fault, which 5.10 has in
// a section of its own.
func (k *Kernel) entered(sym symbols.Symbol, entries *patch.Table) (all []uint64) {
	back := func(from uint64, code []byte, stop bool) {
		for in := range k.arch.Walk(from, code) {
			f := in.Flow(k.name)
			if (f.Kind == disasm.Jump || f.Kind == disasm.CondJump) && f.Target-sym.Addr < sym.Size {
				all = append(all, f.Target)
			}
			if stop && f.Kind == disasm.Jump {
				break
			}
		}
	}
	cold, _ := k.symbols.Lookup(sym.Module, sym.Name+coldSuffix)
	for _, part := range cold {
		code, _ := k.symbols.Code(part.Addr, int(part.Size))
		back(part.Addr, code, false)
	}
	for _, e := range entries.Of(patch.Exception, sym.Addr, sym.Addr+sym.Size) {
		if e.Target != 0 && e.Target-sym.Addr >= sym.Size {
			code, _ := k.symbols.Code(e.Target, mendSize)
			back(e.Target, code, true)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// mendSize is more than what mends a fault is long, bytes.
const mendSize = 64
