package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Kernel is a kernel that a machine can boot.
type Kernel struct {
	Release string // as uname -r says
	Arch    string // as GOARCH
	Image   string // the path of its bzImage, or its Image
	Modules string // the folder of its modules; empty where there are none
}

// FindKernel returns the kernel of a Config.Kernel and Config.Arch. A version
// that is not in the cache is fetched with apt, told on progress.
func FindKernel(ctx context.Context, spec, arch string, progress io.Writer) (Kernel, error) {
	switch {
	case spec == "host":
		return hostKernel()
	case strings.Contains(spec, "/"):
		return imageKernel(spec)
	}
	arch, err := knownArch(arch)
	if err != nil {
		return Kernel{}, err
	}
	cache, err := openCache()
	if err != nil {
		return Kernel{}, err
	}
	return cache.find(ctx, spec, arch, progress)
}

// hostKernel looks where distributions put the image of the running kernel.
func hostKernel() (Kernel, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Kernel{}, fmt.Errorf("ask for the running kernel's release: %w", err)
	}
	release := unix.ByteSliceToString(name.Release[:])
	for _, image := range []string{"/boot/vmlinuz-" + release, filepath.Join("/usr/lib/modules", release, "vmlinuz")} {
		k, err := imageKernel(image)
		if err == nil || !errors.Is(err, os.ErrNotExist) {
			return k, err
		}
	}
	return Kernel{}, fmt.Errorf("no image of the running kernel %s in /boot or /usr/lib/modules: give the path of a vmlinuz", release)
}

// imageKernel finds the modules that belong to an image beside it, or where
// they are installed.
func imageKernel(image string) (Kernel, error) {
	release, arch, err := readImage(image)
	if err != nil {
		return Kernel{}, fmt.Errorf("read kernel %s: %w", image, err)
	}
	k := Kernel{Release: release, Arch: arch, Image: image}
	dir := filepath.Dir(image)
	for _, modules := range []string{
		dir,
		filepath.Join(dir, "../lib/modules", release),
		filepath.Join(dir, "../usr/lib/modules", release),
		filepath.Join("/lib/modules", release),
	} {
		if _, err := os.Stat(filepath.Join(modules, "kernel")); err == nil {
			k.Modules = modules
			break
		}
	}
	return k, nil
}

// readImage reads an image's header. A bzImage tells its release:
//
//	0x202  "HdrS"
//	0x20e  offset of the version text, less 0x200
//
// An arm64 Image does not, but its path does. It begins with
//
//	0x038  "ARMd"
func readImage(image string) (release, arch string, err error) {
	f, err := os.Open(image)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	head := make([]byte, 64<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return "", "", err
	}
	head = head[:n]
	switch {
	case n >= 0x210 && string(head[0x202:0x206]) == "HdrS":
		at := 0x200 + int(head[0x20e]) + int(head[0x20f])<<8
		text, _, _ := bytes.Cut(head[min(at, n):], []byte(" "))
		return string(text), "amd64", nil
	case n >= 0x40 && string(head[0x38:0x3c]) == "ARMd":
		return pathRelease(image), "arm64", nil
	}
	return "", "", errors.New("neither a bzImage nor an arm64 Image")
}

// pathRelease takes the release from /boot/vmlinuz-RELEASE or RELEASE/vmlinuz.
func pathRelease(image string) string {
	dir, name := filepath.Split(image)
	if _, release, ok := strings.Cut(name, "-"); ok {
		return release
	}
	return filepath.Base(dir)
}

// newest sorts the latest release first.
func newest(a, b Kernel) int { return compareReleases(b.Release, a.Release) }

// compareReleases compares the numbers of two releases, so that 6.9 is older
// than 6.10.
func compareReleases(a, b string) int {
	return cmp.Or(slices.Compare(numbers(a), numbers(b)), cmp.Compare(a, b))
}

func numbers(release string) []int {
	var all []int
	for _, word := range strings.FieldsFunc(release, func(r rune) bool { return r < '0' || r > '9' }) {
		n := 0
		for _, digit := range word {
			n = n*10 + int(digit-'0')
		}
		all = append(all, n)
	}
	return all
}

// hasVersion reports whether a release is of a version: 6.1.0-56 is of 6.1,
// 6.12.1 is not.
func hasVersion(release, version string) bool {
	rest, ok := strings.CutPrefix(release, version)
	return ok && (rest == "" || rest[0] < '0' || rest[0] > '9')
}
