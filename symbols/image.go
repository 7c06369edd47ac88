package symbols

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"ktrap/internal/index"
	"ktrap/internal/kallsyms"
	"ktrap/internal/patch"
	"ktrap/internal/vmlinux"
)

// Image answers for the kernel in a file, at the addresses that it was linked
// for: those of the running kernel less what KASLR added. It may be used from
// many goroutines.
type Image struct {
	view
	path    string
	info    fs.FileInfo
	options ImageOptions

	unpacked *vmlinux.Kernel
	data     []byte       // that it was made of
	mapped   []byte       // the file; nil where the index made it needless
	entry    *index.Entry // nil without the index
	tables   *index.Entry // that of the patches; nil where they were read
	name     string       // of the kernel in the index, once storing is done
	storing  sync.WaitGroup

	header   func() (*vmlinux.File, error)
	sections func() []Section
	patches  func() (*patch.Table, error)
}

// ImageOptions say how to open an image. The zero value is right for most.
type ImageOptions struct {
	Cache   string // the folder that holds the index; "" for the user's own
	NoIndex bool   // neither use nor fill the index
	// Warn, where not nil, is told why the index could not be used or filled.
	// The answers are the same without it; they come later.
	Warn func(error)
}

// OpenImage opens a kernel image: a vmlinuz as distributions install it, or a
// vmlinux. The first time it is decompressed, which takes a tenth of a second,
// and kept in the index in the user's cache folder; later it takes none.
func OpenImage(path string, o ImageOptions) (*Image, error) {
	f, info, err := openRegular(path)
	if err != nil {
		return nil, fmt.Errorf("open kernel image: %w", err)
	}
	defer f.Close()
	im := &Image{path: path, info: info, options: o}
	im.view = view{
		image:   filepath.Base(path),
		memory:  func() (kallsyms.Memory, error) { return im.unpacked, nil },
		kernel:  sync.OnceValues(im.loadOnce),
		loaded:  func() ([]module, error) { return nil, nil },
		modules: func() (*kallsyms.List, []module, error) { return &kallsyms.List{}, nil, nil },
	}
	im.text = sync.OnceValues(im.findText)
	im.header = sync.OnceValues(im.readHeader)
	im.sections = sync.OnceValue(im.findSections)
	im.patches = sync.OnceValues(im.findPatches)
	if im.openIndexed(f) {
		return im, nil
	}
	if err := im.unpack(f); err != nil {
		im.Close()
		return nil, fmt.Errorf("read kernel image %s: %w", path, err)
	}
	im.fillIndex()
	return im, nil
}

// openRegular refuses what is no file before it can block or be read for ever.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "read", Path: path, Err: errors.New("not a file: " + kindOf(info.Mode()))}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "it is a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "it is a pipe"
	}
	return "it is a device"
}

// unpack decompresses the file.
func (im *Image) unpack(f *os.File) error {
	if err := im.mapFile(f); err != nil {
		return err
	}
	file, err := vmlinux.Open(im.mapped)
	if err != nil {
		return err
	}
	if im.data, err = file.Vmlinux(); err != nil {
		return err
	}
	if im.unpacked, err = vmlinux.Parse(im.data); err != nil {
		return err
	}
	if im.unpacked.Banner() == "" {
		return errors.New("a program, but no kernel: nowhere does it say Linux version")
	}
	im.layout = sync.OnceValues(im.findLayout)
	return nil
}

func (im *Image) mapFile(f *os.File) (err error) {
	switch {
	case im.mapped != nil:
		return nil
	case im.info.Size() == 0:
		return errors.New("it is empty")
	}
	im.mapped, err = syscall.Mmap(int(f.Fd()), 0, int(im.info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	return err
}

// loadOnce reads the table, for which it passes over all names, and gives back
// what that has mapped.
func (im *Image) loadOnce() (table, error) {
	t, err := im.loadTable()
	if im.entry != nil {
		im.entry.Forget()
	}
	return t, err
}

func (im *Image) findLayout() (kallsyms.Layout, error) {
	layout, err := im.unpacked.Layout()
	if err != nil {
		return layout, fmt.Errorf("read the symbols of %s: %w", im.image, err)
	}
	return layout, nil
}

// All yields every symbol as /proc/kallsyms would list them, were the image
// booted without KASLR.
func (im *Image) All() iter.Seq2[Symbol, error] {
	kernel, err := im.kernel()
	return inOrder(err, kernel)
}

// Close gives up what the image holds: nothing may be asked after it, and what
// BTF returned is gone.
func (im *Image) Close() error {
	im.storing.Wait()
	var errs []error
	for _, e := range []*index.Entry{im.entry, im.tables} {
		if e != nil {
			errs = append(errs, e.Close())
		}
	}
	if im.mapped != nil {
		errs = append(errs, syscall.Munmap(im.mapped))
	}
	return errors.Join(errs...)
}

// Arch returns the architecture as GOARCH names it.
func (im *Image) Arch() string { return im.unpacked.Arch }

// BuildID returns the kernel's build id in hexadecimal digits, or "".
func (im *Image) BuildID() string { return im.unpacked.BuildID() }

// BTF returns the kernel's types, or nil.
func (im *Image) BTF() []byte { return im.unpacked.BTF() }

// Config returns the configuration that the kernel was built with, if it is in it.
func (im *Image) Config() ([]byte, bool) { return im.unpacked.Config() }

// Release returns what uname -r says on the kernel.
func (im *Image) Release() string { return im.unpacked.Release() }

// Path returns where the image was opened.
func (im *Image) Path() string { return im.path }

// Size returns the bytes of the decompressed kernel.
func (im *Image) Size() int64 { return int64(len(im.data)) }
