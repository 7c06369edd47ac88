package cli

import (
	"fmt"
	"strings"

	"ktrap"
	"ktrap/symbols"
)

// whereabouts is what is known of an address.
type whereabouts struct {
	Asked   ktrap.Address `json:"asked"`
	Offset  uint64        `json:"offset"` // into the symbol
	Symbol  symbolJSON    `json:"symbol"`
	Aliases []string      `json:"aliases,omitempty"` // other names of the symbol's place
	// Linked is the address that the kernel was linked for, and KASLR what the
	// running one is above it, where that is known.
	Linked *ktrap.Address `json:"linked,omitempty"`
	KASLR  *ktrap.Address `json:"kaslr,omitempty"`
}

// address prints what symbol an address lies in.
func (p *symbolPrinter) address(k symbols.Kernel, addr uint64) error {
	w, ok := p.whereabouts(k, addr)
	if !ok {
		return missed{fmt.Errorf("%#x lies in no symbol of %s", addr, p.kernelName())}
	}
	if p.listing.json {
		return p.json.Encode(w)
	}
	text := fmt.Sprintf("%v is in %s+%#x/%#x", w.Asked, w.Symbol.Name, w.Offset, w.Symbol.Size)
	for _, part := range []struct{ form, value string }{
		{"\t[%s]", w.Symbol.Module},
		{", section %s", w.Symbol.Section},
		{", also called %s", strings.Join(w.Aliases, ", ")},
	} {
		if part.value != "" {
			text += fmt.Sprintf(part.form, part.value)
		}
	}
	if w.KASLR != nil {
		text += fmt.Sprintf("; link address %v, KASLR added %v", *w.Linked, *w.KASLR)
	}
	_, err := fmt.Fprintln(p.w, text)
	return err
}

// whereabouts takes an address for one of k; or for one of the running kernel,
// where k is its image and it is told by how much that was moved.
func (p *symbolPrinter) whereabouts(k symbols.Kernel, addr uint64) (w whereabouts, ok bool) {
	moved, unknown := k.KASLR()
	s, offset, ok := k.At(addr)
	running := p.image == nil
	if !ok && !running && unknown == nil {
		s, offset, ok = k.At(addr - moved)
		running = true
	}
	if !ok {
		return w, false
	}
	w = whereabouts{Asked: ktrap.Address(addr), Offset: offset, Symbol: p.object(s)}
	if aliases, err := k.Aliases(s.Addr); err == nil {
		for _, other := range aliases {
			if other.Name != s.Name {
				w.Aliases = append(w.Aliases, other.Name)
			}
		}
	}
	if running && unknown == nil && s.Module == "" && s.Type != 'A' {
		linked, kaslr := ktrap.Address(addr-moved), ktrap.Address(moved)
		w.Linked, w.KASLR = &linked, &kaslr
	}
	return w, true
}

func (p *symbolPrinter) kernelName() string {
	if p.listing.image != "" {
		return p.listing.image
	}
	return "the running kernel"
}
