package ktrap

import (
	"fmt"
	"slices"

	"ktrap/internal/disasm"
	"ktrap/internal/patch"
	"ktrap/internal/place"
	"ktrap/symbols"
)

// A stretch is a run of instructions in one function.
type stretch struct {
	sym   symbols.Symbol
	insts []disasm.Inst
}

// stretch cuts the function that p is in into instructions, and keeps those that
// p's range and its pick ask for; without either all.
func (k *Kernel) stretch(p place.Place) (stretch, error) {
	sym, addr, err := k.find(p)
	if err != nil {
		return stretch{}, err
	}
	if !k.isCode(addr) {
		return stretch{}, fmt.Errorf("%s is data, not code", p)
	}
	s, err := k.cut(sym)
	if err != nil {
		return s, fmt.Errorf("%s: %w", p, err)
	}
	if p.To != 0 {
		last := sym.Addr + p.To
		if p.Addr != 0 {
			last = p.To
		}
		s.insts = slices.DeleteFunc(s.insts, func(in disasm.Inst) bool { return in.Addr < addr || last < in.Addr })
	}
	if len(s.insts) == 0 {
		return s, fmt.Errorf("%s: no instruction begins there; %s is %#x bytes long", p, sym, sym.Size)
	}
	if p.Pick.What == "" {
		return s, nil
	}
	chosen := k.pick(s, p.Pick)
	if len(chosen.insts) == 0 {
		return s, k.nothingPicked(p, []stretch{s})
	}
	return chosen, nil
}

// cut is all of a function.
func (k *Kernel) cut(sym symbols.Symbol) (stretch, error) {
	s := stretch{sym: sym}
	code := k.code(sym)
	if code == nil {
		return s, fmt.Errorf("the code of %s can't be read as it was compiled: another probe stands in it (ktrap list shows whose)", sym)
	}
	s.insts = slices.Collect(k.arch.Walk(sym.Addr, code))
	return s, nil
}

// isCode goes by where code is; that which is dropped after boot counts.
func (k *Kernel) isCode(addr uint64) bool {
	if in, err := k.symbols.InText(addr); in || err != nil {
		return true
	}
	return slices.ContainsFunc(k.textRanges(), func(r patch.Range) bool { return r.Start <= addr && addr < r.End })
}

// find returns the symbol that p is in and the address that it means.
func (k *Kernel) find(p place.Place) (symbols.Symbol, uint64, error) {
	if p.Addr != 0 {
		sym, _, ok := k.symbols.At(p.Addr)
		if !ok {
			return symbols.Symbol{}, 0, fmt.Errorf("%s is in no function that the kernel knows", p)
		}
		return sym, p.Addr, nil
	}
	found, err := k.symbols.Lookup(p.Module, p.Symbol)
	if err != nil {
		return symbols.Symbol{}, 0, err
	}
	for _, other := range found[1:] {
		if other.Addr != found[0].Addr {
			return symbols.Symbol{}, 0, &symbols.AmbiguousError{Name: p.Symbol, Symbols: found}
		}
	}
	return found[0], found[0].Addr + p.Offset, nil
}
