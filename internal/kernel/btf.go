package kernel

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// BTF returns the BTF of the running kernel, or of a module. It is mapped where
// the kernel allows that (6.16: a539e2a6d51d) and read where not; it stays valid
// until the process ends.
func BTF(module string) ([]byte, error) {
	name := "vmlinux"
	if module != "" {
		name = module
	}
	f, err := os.Open("/sys/kernel/btf/" + name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && module != "":
		return nil, errors.New("there is no BTF of modules here (kernels have it from 5.11 on)")
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("this kernel has no BTF")
	case err != nil:
		return nil, fmt.Errorf("open the BTF of %s: %w", name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("open the BTF of %s: %w", name, err)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s is empty: the kernel's BTF is hidden from this process", f.Name())
	}
	if data, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE); err == nil {
		return data, nil
	}
	return read(f, int(info.Size()))
}

// ReadBTF returns the BTF that is in a file, which stays valid until the process
// ends; nil if something else is in it.
func ReadBTF(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	start := make([]byte, 2)
	switch _, err := io.ReadFull(f, start); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, nil
	case err != nil:
		return nil, err
	case start[0] != 0x9f || start[1] != 0xeb:
		return nil, nil
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		rest, err := io.ReadAll(f)
		return append(start, rest...), err
	}
	return read(f, int(info.Size()))
}

// read reads a file to outside of the Go heap, where 5 MB would start the garbage
// collector: into huge pages, if the kernel gives any, since 1,350 page faults cost
// as much as reading does.
func read(f *os.File, size int) ([]byte, error) {
	data, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("make room for %s: %w", f.Name(), err)
	}
	_ = unix.Madvise(data, unix.MADV_HUGEPAGE) // it goes without
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, fmt.Errorf("read the BTF: %w", err)
	}
	return data, nil
}
