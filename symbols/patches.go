package symbols

import (
	"debug/elf"
	"fmt"

	"ktrap/internal/index"
	"ktrap/internal/patch"
)

// Patches returns the tables by which the kernel patches its text, and knows
// more of it. What could not be read of them is not in it; the error tells why.
// They are read once and kept in the index.
func (im *Image) Patches() (*patch.Table, error) { return im.patches() }

const patchesEnding = ".patches"

func (im *Image) findPatches() (*patch.Table, error) {
	if t, err := im.indexedPatches(); err == nil {
		return t, nil
	}
	t, err := patch.Read(im.patchSource())
	if err == nil {
		im.storePatches(t)
	}
	return t, err
}

func (im *Image) indexedPatches() (*patch.Table, error) {
	if im.entry == nil {
		return nil, fmt.Errorf("%s is not in the index", im.image)
	}
	x, err := index.Open(im.options.Cache)
	if err != nil {
		return nil, err
	}
	entry, err := x.Load(im.name + patchesEnding)
	if err != nil {
		im.warnDamaged(err)
		return nil, err
	}
	t, err := patch.Decode(entry.Content)
	if err != nil {
		entry.Close()
		return nil, err
	}
	im.tables = entry
	return t, nil
}

// storePatches waits for what the index is to hold of the kernel first.
func (im *Image) storePatches(t *patch.Table) {
	if im.options.NoIndex {
		return
	}
	im.storing.Wait()
	if im.name == "" {
		return // the index can't be filled, and that was told
	}
	x, err := index.Open(im.options.Cache)
	if err == nil {
		data := t.Encode()
		err = x.Store(im.name+patchesEnding, nil, data, index.Sum(data))
	}
	if err != nil {
		im.warn(err)
	}
}

func (im *Image) patchSource() patch.Source {
	return patch.Source{
		Arch: im.Arch(), Memory: im.unpacked,
		Section: im.section, Symbol: im.symbol, Extent: im.extent,
		Text: im.code(),
	}
}

func (im *Image) section(name string) (addr, size uint64, ok bool) {
	s, ok := im.unpacked.Section(name)
	return s.Addr, s.Size, ok
}

func (im *Image) symbol(name string) (uint64, bool) {
	found, err := im.Named(name)
	if err != nil || len(found) == 0 {
		return 0, false
	}
	return found[0].Addr, true
}

func (im *Image) extent(addr uint64) (uint64, bool) {
	s, _, ok := im.At(addr)
	return s.Size, ok && s.Addr == addr
}

// code is all that is executable, also what is dropped after boot. A flat image
// has no sections: there it is what the symbols say.
func (im *Image) code() (all []patch.Range) {
	for _, s := range im.unpacked.Sections() {
		if s.Flags&elf.SHF_EXECINSTR != 0 && s.Addr != 0 {
			all = append(all, patch.Range{Start: s.Addr, End: s.Addr + s.Size})
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, bounds := range [][2]string{{"_stext", "_etext"}, {"_sinittext", "_einittext"}} {
		start, started := im.symbol(bounds[0])
		end, ended := im.symbol(bounds[1])
		if started && ended {
			all = append(all, patch.Range{Start: start, End: end})
		}
	}
	return all
}
