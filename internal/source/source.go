// Package source finds the DWARF of a kernel on this machine and tells the lines
// of source of its addresses. The file is mapped, never read whole, and trusted
// only if it is of the very build that is asked about.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ktrap/internal/dwarfline"
)

// Frame is a line of source in a function.
type Frame = dwarfline.Frame

// Copy is a place where a function was inlined.
type Copy = dwarfline.Copy

// ErrNone says that no line is known of an address.
var ErrNone = dwarfline.ErrNone

// Lines is the open DWARF of one kernel. It is not safe for use from many
// goroutines.
type Lines struct {
	file   *dwarfline.File
	mapped []byte
}

// A MissingError says that a kernel's DWARF is not on this machine.
type MissingError struct {
	Release string
	Looked  []string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("no DWARF of kernel %s on this machine: Debian has it in the package linux-image-%[1]s-dbg; or give the path of its vmlinux", e.Release)
}

// A MismatchError says that DWARF is of another build than the kernel asked about.
type MismatchError struct{ Path, Have, Want string }

func (e *MismatchError) Error() string {
	have := "has no build-id"
	if e.Have != "" {
		have = "is of another build, " + e.Have
	}
	return fmt.Sprintf("%s %s: the kernel's build-id is %s", e.Path, have, e.Want)
}

// Find returns the path of a kernel's DWARF: where Debian, Fedora and the
// kernel's own build put it.
func Find(release, buildID string) (string, error) { return find("/", release, buildID) }

func find(root, release, buildID string) (string, error) {
	candidates := []string{
		"usr/lib/debug/boot/vmlinux-" + release,
		"usr/lib/debug/lib/modules/" + release + "/vmlinux",
		"usr/lib/debug/usr/lib/modules/" + release + "/vmlinux",
		"lib/modules/" + release + "/build/vmlinux",
		"boot/vmlinux-" + release,
	}
	if len(buildID) > 2 {
		candidates = append(candidates, "usr/lib/debug/.build-id/"+buildID[:2]+"/"+buildID[2:]+".debug")
	}
	for i := range candidates {
		candidates[i] = filepath.Join(root, candidates[i])
		if _, err := os.Stat(candidates[i]); err == nil {
			return candidates[i], nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("look for the DWARF of kernel %s: %w", release, err)
		}
	}
	return "", &MissingError{release, candidates}
}

// Open maps the vmlinux at path. buildID is that of the kernel asked about, in
// hex; DWARF of another build is a *MismatchError. Without it ("") the caller
// vouches for the file.
func Open(path, buildID string) (*Lines, error) {
	mapped, err := mapFile(path)
	if err != nil {
		return nil, fmt.Errorf("read DWARF: %w", err)
	}
	file, err := dwarfline.Parse(mapped)
	if err == nil && buildID != "" && file.BuildID() != buildID {
		err = &MismatchError{path, file.BuildID(), buildID}
	} else if err != nil {
		err = fmt.Errorf("read DWARF of %s: %w", path, err)
	}
	if err != nil {
		unix.Munmap(mapped)
		return nil, err
	}
	return &Lines{file, mapped}, nil
}

func mapFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, fmt.Errorf("%s is not a file with something in it", path)
	}
	mapped, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return mapped, nil
}

// Close lets go of the file. What was returned stays good.
func (l *Lines) Close() error {
	l.file = nil
	return unix.Munmap(l.mapped)
}

// BuildID is that of the kernel that the lines are of.
func (l *Lines) BuildID() string { return l.file.BuildID() }

// At tells the lines of source of the instruction at addr, as linked: less what
// KASLR added. The innermost comes first: the line itself, then where each
// function that it is in was inlined. An address without any gives ErrNone. The
// addresses of a function are best asked for one after the other: what was read
// for one is kept for the next.
func (l *Lines) At(addr uint64) ([]Frame, error) { return l.file.At(addr) }

// Inlined yields the places where a function was inlined. It can take long; see
// dwarfline.
func (l *Lines) Inlined(ctx context.Context, name string) iter.Seq2[Copy, error] {
	return l.file.Inlined(ctx, name)
}
