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

// address prints what symbol an address lies in. Where k is the image of the
// running kernel and that was moved, either's address may be meant.
func (p *symbolPrinter) address(k symbols.Kernel, addr uint64) error {
	moved, unknown := k.KASLR()
	ways := []way{{at: addr, running: p.image == nil && unknown == nil}}
	if p.image != nil && unknown == nil && moved != 0 {
		ways = append(ways, way{at: addr - moved, running: true})
	}
	before := p.printed
	for _, y := range ways {
		w, ok := p.whereabouts(k, ktrap.Address(addr), y.at)
		if !ok {
			continue
		}
		if y.running && w.Symbol.Module == "" && w.Symbol.Type != "A" {
			linked, kaslr := ktrap.Address(addr-moved), ktrap.Address(moved)
			w.Linked, w.KASLR = &linked, &kaslr
		}
		if err := p.where(w); err != nil {
			return err
		}
	}
	if p.printed == before {
		return missed{fmt.Errorf("%#x lies in no symbol of %s", addr, p.kernelName())}
	}
	return nil
}

// way is a way to understand an address: as k has it, and whether it is one of
// the running kernel.
type way struct {
	at      uint64
	running bool
}

func (p *symbolPrinter) whereabouts(k symbols.Kernel, asked ktrap.Address, addr uint64) (w whereabouts, ok bool) {
	s, offset, ok := k.At(addr)
	if !ok {
		return w, false
	}
	w = whereabouts{Asked: asked, Offset: offset, Symbol: p.object(s)}
	if aliases, err := k.Aliases(s.Addr); err == nil {
		for _, other := range aliases {
			if other.Name != s.Name {
				w.Aliases = append(w.Aliases, other.Name)
			}
		}
	}
	return w, true
}

// where prints one line, or one object, of an address.
func (p *symbolPrinter) where(w whereabouts) error {
	p.printed++
	if p.listing.json {
		return p.json.Encode(w)
	}
	text := fmt.Sprintf("%v is in %s+%#x/%#x", w.Asked, w.Symbol.Name, w.Offset, w.Symbol.Size)
	for _, part := range []struct{ form, value string }{
		{" [%s]", w.Symbol.Module},
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

func (p *symbolPrinter) kernelName() string {
	if p.listing.image != "" {
		return p.listing.image
	}
	return "the running kernel"
}
