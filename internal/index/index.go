// Package index keeps what was made out of kernel images in the user's cache
// folder, so that it is made once. It may be lost at any time: nothing in it is
// the only copy of anything.
//
//	images/files/DEVICE-INODE-SIZE-MTIME → ../NAME.kernel   which file is which kernel
//	images/NAME.kernel                                      an entry
//	images/NAME.patches                                     more of the same kernel
//
// An entry is written whole under another name and then renamed, so that readers
// need no lock, and is mapped, so that opening costs the same whatever its size:
//
//	   0  "ktrap ix"  magic
//	   8  u32         version of this format
//	  12  u32         CRC-32C of the rest of this page
//	  16  u64         bytes of content
//	  24  s64         when it was written, in seconds
//	  32  u32         CRC-32C of the content
//	  36  u32         bytes of what follows
//	  40  JSON        boot: the boot it was written in; meta: the caller's own
//	4096  content     with holes where it is zero
//
// The content is too long to be summed up at each opening. It is when the file
// was touched since it was written, or when the machine was booted anew, for it
// may have gone down before all was on the disk; the file's time then says that
// it was found right. What is not is an error to the reader, who makes it anew.
package index

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Index is a folder of entries. It may be used by many processes at once.
type Index struct{ dir string }

// Open opens the index in the user's cache folder, or in the named one. The
// folder is made when something is stored.
func Open(cache string) (Index, error) {
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return Index{}, fmt.Errorf("find the cache folder: %w", err)
		}
		cache = filepath.Join(dir, "ktrap")
	}
	return Index{filepath.Join(cache, "images")}, nil
}

// Ending is that of the names of entries which hold a kernel.
const Ending = ".kernel"

// Find returns the entry of the kernel in a file, which is known by its place
// and time. That there is none is fs.ErrNotExist.
func (x Index) Find(file fs.FileInfo) (*Entry, error) {
	link, err := x.link(file)
	if err != nil {
		return nil, err
	}
	target, err := os.Readlink(link)
	if err != nil {
		return nil, err
	}
	return x.Load(filepath.Base(target))
}

// Bind says which kernel is in a file.
func (x Index) Bind(file fs.FileInfo, name string) error {
	link, err := x.link(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%d", link, os.Getpid())
	os.Remove(temporary)
	if err := os.Symlink(filepath.Join("..", name+Ending), temporary); err != nil {
		return err
	}
	return os.Rename(temporary, link)
}

func (x Index) link(file fs.FileInfo) (string, error) {
	stat, ok := file.Sys().(*syscall.Stat_t)
	if !ok {
		return "", errors.New("a file without an inode")
	}
	return filepath.Join(x.dir, "files", fmt.Sprintf("%x-%x-%x-%x", stat.Dev, stat.Ino, stat.Size, file.ModTime().UnixNano())), nil
}

func (x Index) path(name string) string { return filepath.Join(x.dir, name) }
