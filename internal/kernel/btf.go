package kernel

import (
	"errors"
	"fmt"
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
	// Outside the Go heap, where 5 MB would start the garbage collector.
	data, err := unix.Mmap(-1, 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("make room for the BTF of %s: %w", name, err)
	}
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, fmt.Errorf("read the BTF of %s: %w", name, err)
	}
	return data, nil
}
