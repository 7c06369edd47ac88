package symbols

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"ktrap/internal/index"
	"ktrap/internal/kallsyms"
	"ktrap/internal/vmlinux"
)

// indexed is what the index keeps beside a decompressed kernel.
type indexed struct {
	// Bare says that the kernel is not kept: its file is not compressed.
	Bare   bool
	Layout kallsyms.Layout
	// NoSymbols says why there is no Layout.
	NoSymbols string
}

// openIndexed opens the image as the index has it, or reports that it has not.
func (im *Image) openIndexed(f *os.File) bool {
	if im.options.NoIndex {
		return false
	}
	x, err := index.Open(im.options.Cache)
	if err != nil {
		return false // filling it will tell
	}
	entry, err := x.Find(im.info)
	if err != nil {
		im.warnDamaged(err)
		return false
	}
	im.entry, im.name = entry, entry.Kernel
	if err := im.useIndexed(f); err != nil {
		entry.Close()
		im.entry, im.name = nil, ""
		im.warn(fmt.Errorf("use the index of %s: %w", im.image, err))
		return false
	}
	return true
}

func (im *Image) useIndexed(f *os.File) (err error) {
	var meta indexed
	if err := im.entry.Meta(&meta); err != nil {
		return err
	}
	im.data = im.entry.Content
	if meta.Bare {
		if err := im.mapFile(f); err != nil {
			return err
		}
		im.data = im.mapped
	}
	if im.unpacked, err = vmlinux.Parse(im.data); err != nil {
		return err
	}
	im.layout = func() (kallsyms.Layout, error) {
		if meta.NoSymbols != "" {
			return kallsyms.Layout{}, errors.New(meta.NoSymbols)
		}
		return meta.Layout, nil
	}
	return nil
}

// fillIndex lets later openings do without what this one did. It works beside
// the caller's first questions; Close waits for it.
func (im *Image) fillIndex() {
	if im.options.NoIndex {
		return
	}
	im.storing.Go(func() {
		if err := im.store(); err != nil {
			im.warn(fmt.Errorf("no index of %s, so each look-up decompresses it: %w", im.image, err))
		}
	})
}

func (im *Image) store() error {
	x, err := index.Open(im.options.Cache)
	if err != nil {
		return err
	}
	meta, content := indexed{Bare: im.bare()}, im.data
	if meta.Bare {
		content = nil
	}
	sum := index.Sum(content)
	name := im.entryName(sum)
	if meta.Bare {
		name = im.entryName(index.Sum(fmt.Append(nil, im.path, im.info.Size(), im.info.ModTime())))
	}
	if meta.Layout, err = im.layout(); err != nil {
		meta.NoSymbols = err.Error()
	}
	if err := x.Store(name+index.Ending, meta, content, sum); err != nil {
		return err
	}
	im.name = name
	return x.Bind(im.info, name)
}

// bare says whether the file is the kernel as it runs, byte for byte.
func (im *Image) bare() bool { return im.mapped != nil && &im.data[0] == &im.mapped[0] }

// entryName is the build id; and a checksum, for a build id can be forged.
func (im *Image) entryName(sum uint32) string {
	const longest = 64
	id := im.BuildID()
	return fmt.Sprintf("%s-%08x", cmp.Or(id[:min(len(id), longest)], "unknown"), sum)
}

// warnDamaged leaves out what filling the index will tell, or mend in silence.
func (im *Image) warnDamaged(err error) {
	if errors.Is(err, index.ErrDamaged) {
		im.warn(err)
	}
}

func (im *Image) warn(err error) {
	if im.options.Warn != nil {
		im.options.Warn(err)
	}
}
