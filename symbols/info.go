package symbols

import (
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	"ktrap/internal/vmlinux"
)

// ImageInfo is what an image says of itself.
type ImageInfo struct {
	Path        string    `json:"path"`
	Release     string    `json:"release"` // as uname -r
	Build       string    `json:"build"`   // as uname -v
	Banner      string    `json:"banner"`  // as /proc/version
	BuildID     string    `json:"build_id"`
	Arch        string    `json:"arch"`        // as GOARCH
	Container   string    `json:"container"`   // bzImage, zboot, Image, gzip or ELF
	Compression string    `json:"compression"` // none, gzip, bzip2, lzma, xz, lzo, lz4 or zstd
	FileSize    int64     `json:"file_size"`   // bytes
	Size        int64     `json:"size"`        // bytes, decompressed
	Symbols     int       `json:"symbols"`     // 0 if they can't be had
	NoSymbols   string    `json:"no_symbols,omitempty"`
	BTFSize     int       `json:"btf_size"`
	Config      bool      `json:"config"` // the configuration is embedded
	Sections    []Section `json:"sections,omitempty"`
}

// Section is a section of a kernel, at its link address.
type Section struct {
	Name string `json:"name"`
	Addr uint64 `json:"addr"`
	Size uint64 `json:"size"`
}

// Info returns what the image says of itself.
func (im *Image) Info() (*ImageInfo, error) {
	file, err := im.header()
	if err != nil {
		return nil, err
	}
	i := &ImageInfo{
		Path: im.path, BuildID: im.BuildID(), Arch: im.Arch(),
		Banner: im.banner(), Container: file.Container, Compression: file.Compression,
		FileSize: im.info.Size(), Size: int64(len(im.data)),
		BTFSize: len(im.BTF()), Sections: im.Sections(),
	}
	i.Release, i.Build = parseBanner(i.Banner)
	_, i.Config = im.Config()
	if t, err := im.kernel(); err != nil {
		i.NoSymbols = err.Error()
	} else {
		i.Symbols = t.Len()
	}
	return i, nil
}

// banner is the line that the symbol says; the kernel has another one from
// before its build was counted ("# SMP"), which is the first to be met.
func (im *Image) banner() string {
	if addr, ok := im.symbol("linux_banner"); ok {
		line := make([]byte, 512)
		if err := im.ReadMem(line, addr); err == nil {
			text, _, _ := strings.Cut(string(line), "\n")
			return text
		}
	}
	return im.unpacked.Banner()
}

// parseBanner takes the release and the build out of
//
//	Linux version RELEASE (builder@host) (compiler, linker) #BUILD
func parseBanner(banner string) (release, build string) {
	if words := strings.Fields(banner); len(words) > 2 {
		release = words[2]
	}
	if at := strings.LastIndex(banner, ") #"); at >= 0 {
		build = banner[at+2:]
	}
	return release, build
}

// readHeader reads what the index does not keep: how the file holds the kernel.
func (im *Image) readHeader() (*vmlinux.File, error) {
	f, info, err := openRegular(im.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !os.SameFile(info, im.info) || info.Size() != im.info.Size() {
		return nil, fmt.Errorf("%s is another file than it was when it was opened", im.path)
	}
	if err := im.mapFile(f); err != nil {
		return nil, err
	}
	return vmlinux.Open(im.mapped)
}

// Sections returns the sections of the kernel's memory by address; the image of
// an arm64 kernel tells none.
func (im *Image) Sections() []Section { return im.sections() }

func (im *Image) findSections() (all []Section) {
	for _, s := range im.unpacked.Sections() {
		if s.Addr != 0 && s.Size != 0 {
			all = append(all, Section{s.Name, s.Addr, s.Size})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Addr < all[j].Addr })
	return all
}

// SectionAt returns the name of the section that addr lies in, or "".
func (im *Image) SectionAt(addr uint64) string {
	all := im.sections()
	i := sort.Search(len(all), func(i int) bool { return all[i].Addr > addr }) - 1
	if i >= 0 && addr-all[i].Addr < all[i].Size {
		return all[i].Name
	}
	return ""
}

// WriteVmlinux writes the decompressed kernel as it is in the image, byte for
// byte; or withSymbols as an ELF file with a symbol table, so that objdump, gdb
// and perf show names.
func (im *Image) WriteVmlinux(w io.Writer, withSymbols bool) error {
	if !withSymbols {
		_, err := w.Write(im.data)
		return err
	}
	kernel, err := im.kernel()
	if err != nil {
		return err
	}
	return im.unpacked.WithSymbols(w, kernel.InOrder())
}
