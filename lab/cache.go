package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// cache is the folder of fetched kernels, one folder a release, each the
// unpacked packages of that kernel:
//
//	ktrap/lab/apt                          what apt keeps for us
//	ktrap/lab/kernels/6.1.0-56-cloud-amd64/boot/vmlinuz-…
//	                                       lib/modules/…/kernel/…
//	ktrap/lab/kernels-arm64/…              kernels of that architecture
type cache struct{ dir string }

func openCache() (cache, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return cache{}, fmt.Errorf("find the cache folder: %w", err)
	}
	return cache{filepath.Join(dir, "ktrap/lab")}, nil
}

// Cached returns the fetched kernels, the newest first.
func Cached() ([]Kernel, error) {
	c, err := openCache()
	if err != nil {
		return nil, err
	}
	return c.kernels()
}

func (c cache) kernels() ([]Kernel, error) {
	folders, err := filepath.Glob(filepath.Join(c.dir, "kernels*", "[0-9]*"))
	if err != nil {
		return nil, err
	}
	var all []Kernel
	for _, folder := range folders {
		k, err := unpackedKernel(folder)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	slices.SortFunc(all, newest)
	return all, nil
}

// unpackedKernel finds the image in a folder of unpacked packages: up to 7.0
// it is in boot, later beside the modules.
func unpackedKernel(folder string) (Kernel, error) {
	for _, pattern := range []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz"} {
		if images, _ := filepath.Glob(filepath.Join(folder, pattern)); len(images) == 1 {
			return imageKernel(images[0])
		}
	}
	return Kernel{}, fmt.Errorf("no kernel image in %s: delete that folder", folder)
}

// folder is where the kernel of that release is kept.
func (c cache) folder(release, arch string) string {
	if arch == "amd64" {
		return filepath.Join(c.dir, "kernels", release)
	}
	return filepath.Join(c.dir, "kernels-"+arch, release)
}

// find returns the newest cached kernel of a version, fetched if there is none.
func (c cache) find(ctx context.Context, version, arch string, progress io.Writer) (Kernel, error) {
	if k, err := c.cached(version, arch); err != nil || k.Image != "" {
		return k, err
	}
	unlock, err := c.lock()
	if err != nil {
		return Kernel{}, err
	}
	defer unlock()
	if k, err := c.cached(version, arch); err != nil || k.Image != "" {
		return k, err // someone else fetched it while we waited
	}
	return c.fetch(ctx, version, arch, progress)
}

// cached returns the zero Kernel where there is none of that version.
func (c cache) cached(version, arch string) (Kernel, error) {
	all, err := c.kernels()
	for _, k := range all {
		if k.Arch == arch && hasVersion(k.Release, version) {
			return k, nil
		}
	}
	return Kernel{}, err
}

// lock lets one process fetch at a time.
func (c cache) lock() (unlock func(), err error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
