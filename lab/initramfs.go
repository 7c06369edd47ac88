package lab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/cavaliergopher/cpio"
	"golang.org/x/sys/unix"
)

// initramfs builds a machine's file system in memory. It is not compressed:
// under emulation a kernel unpacks slower than it copies.
func initramfs(cfg Config, kernel Kernel) (_ *os.File, err error) {
	fd, err := unix.MemfdCreate("initramfs", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make the initramfs: %w", err)
	}
	file := os.NewFile(uintptr(fd), "initramfs")
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	buffer := bufio.NewWriterSize(file, 1<<20)
	a := &archive{w: cpio.NewWriter(buffer), made: map[string]bool{"/": true}}
	if err := a.fill(cfg, kernel); err != nil {
		return nil, fmt.Errorf("make the initramfs: %w", err)
	}
	if err := a.w.Close(); err != nil {
		return nil, err
	}
	return file, buffer.Flush()
}

func (a *archive) fill(cfg Config, kernel Kernel) error {
	modules, err := kernel.modules(append(portModules, cfg.Modules...))
	if err != nil {
		return err
	}
	var box box
	for _, m := range modules {
		box.Modules = append(box.Modules, m.path())
		if err := a.data(m.path(), cpio.TypeReg|0o644, m.code); err != nil {
			return err
		}
	}
	settings, err := json.Marshal(box)
	if err != nil {
		return err
	}
	if err := a.data(boxPath, cpio.TypeReg|0o644, settings); err != nil {
		return err
	}
	if err := a.file(cfg.Init, "/init"); err != nil {
		return err
	}
	if err := a.data("/usr/bin/ktrap", cpio.TypeSymlink|0o777, []byte("/init")); err != nil {
		return err
	}
	if err := a.file(kernel.Image, "/boot/vmlinuz-"+kernel.Release); err != nil {
		return err
	}
	for _, file := range cfg.Files {
		if err := a.tree(file); err != nil {
			return err
		}
	}
	return nil
}

// archive writes each path once, after its folders.
type archive struct {
	w    *cpio.Writer
	made map[string]bool
}

func (a *archive) entry(h *cpio.Header) (bool, error) {
	if a.made[h.Name] {
		return false, nil
	}
	a.made[h.Name] = true
	if dir := path.Dir(h.Name); !a.made[dir] {
		if _, err := a.entry(&cpio.Header{Name: dir, Mode: cpio.TypeDir | 0o755}); err != nil {
			return false, err
		}
	}
	named := *h
	named.Name = h.Name[1:]
	return true, a.w.WriteHeader(&named)
}

func (a *archive) data(name string, mode cpio.FileMode, data []byte) error {
	fresh, err := a.entry(&cpio.Header{Name: name, Mode: mode, Size: int64(len(data))})
	if fresh && err == nil {
		_, err = a.w.Write(data)
	}
	return err
}

// file puts a host file at a path; a program is followed by its libraries.
func (a *archive) file(host, name string) error {
	f, err := os.Open(host)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	fresh, err := a.entry(&cpio.Header{Name: name, Mode: cpio.TypeReg | cpio.FileMode(info.Mode().Perm()), Size: info.Size()})
	if err != nil || !fresh {
		return err
	}
	if _, err := io.Copy(a.w, f); err != nil {
		return fmt.Errorf("read %s: %w", host, err)
	}
	libraries, err := libraries(host)
	for _, lib := range libraries {
		if err := a.file(lib, lib); err != nil {
			return err
		}
	}
	return err
}

// tree puts a host file or folder at its own path, with symlinks resolved.
func (a *archive) tree(host string) error {
	host, err := filepath.Abs(host)
	if err != nil {
		return err
	}
	info, err := os.Stat(host)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		return a.file(host, host)
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is neither a file nor a folder", host)
	}
	entries, err := os.ReadDir(host)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := a.tree(filepath.Join(host, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
