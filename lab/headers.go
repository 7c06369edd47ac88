package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Headers returns the folder of the headers that a fetched kernel's modules are
// compiled with: linux-headers-RELEASE and linux-headers-…-common in it, as the
// packages have them below /usr/src. They are fetched with apt if need be, told
// on progress.
func Headers(ctx context.Context, k Kernel, progress io.Writer) (string, error) {
	c, err := openCache()
	if err != nil {
		return "", err
	}
	unlock, err := c.lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	folder := filepath.Join(c.dir, "headers", k.Release)
	src := filepath.Join(folder, "usr/src")
	if _, err := os.Stat(src); err == nil {
		return src, nil
	}
	a := apt{ctx: ctx, dir: filepath.Join(c.dir, "apt"), arch: k.Arch, progress: progress}
	if err := a.headers(k.Release, folder); err != nil {
		return "", fmt.Errorf("fetch the headers of %s: %w", k.Release, err)
	}
	return src, nil
}

// headers unpacks the packages of a release's headers into folder.
func (a apt) headers(release, folder string) error {
	if err := a.update(suitesOf(release)); err != nil {
		return err
	}
	found, err := a.show("linux-headers-" + release)
	if err != nil {
		return err
	}
	packages := found[:1]
	for _, name := range found[0].depends {
		if strings.HasPrefix(name, "linux-headers-") {
			common, err := a.show(name)
			if err != nil {
				return err
			}
			packages = append(packages, common[0])
		}
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	temporary, err := os.MkdirTemp(filepath.Dir(folder), "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if err := a.unpack(packages, temporary); err != nil {
		return err
	}
	return os.Rename(filepath.Join(temporary, "tree"), folder)
}
