package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Store writes an entry, whose content has that Sum, in the place of one that
// there may be, and then drops what was not used for longest, where the whole has
// become too large.
func (x Index) Store(name string, meta any, content []byte, sum uint32) error {
	if err := x.store(name, meta, content, sum); err != nil {
		var path *os.PathError // names a file that is gone
		if errors.As(err, &path) {
			err = path.Err
		}
		return fmt.Errorf("write %s: %w", x.path(name), err)
	}
	return x.prune(maxBytes)
}

func (x Index) store(name string, meta any, content []byte, sum uint32) error {
	h := header{
		size: uint64(len(content)), sum: sum,
		written: time.Now().Truncate(grain),
		text:    headerText{Boot: bootID()},
	}
	var err error
	if h.text.Meta, err = json.Marshal(meta); err != nil {
		return err
	}
	first, err := h.encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(x.dir, 0o700); err != nil {
		return err
	}
	// Its mode is 0600: an image may be one that others must not read.
	f, err := os.CreateTemp(x.dir, temporary+"*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f, first, content), f.Close()); err != nil {
		return err
	}
	if err := os.Chtimes(f.Name(), time.Now(), h.written); err != nil {
		return err
	}
	return os.Rename(f.Name(), x.path(name))
}

// temporary begins the names of entries that are not complete.
const temporary = "new-"

// write leaves holes where the content is zero.
func write(f *os.File, first, content []byte) error {
	if _, err := f.WriteAt(first, 0); err != nil {
		return err
	}
	for start, end := range runs(content) {
		if _, err := f.WriteAt(content[start:end], int64(page+start)); err != nil {
			return err
		}
	}
	return f.Truncate(int64(page + len(content)))
}

// runs yields the stretches of pages that are not all zero.
func runs(content []byte) func(yield func(start, end int) bool) {
	zeros := make([]byte, page)
	return func(yield func(start, end int) bool) {
		start := 0
		for at := 0; at < len(content); at += page {
			p := content[at:min(at+page, len(content))]
			if !bytes.Equal(p, zeros[:len(p)]) {
				continue
			}
			if start < at && !yield(start, at) {
				return
			}
			start = at + len(p)
		}
		if start < len(content) {
			yield(start, len(content))
		}
	}
}

// maxBytes bounds the whole index: some 25 kernels.
const maxBytes = 1 << 30

// forgotten is the age at which nobody can still be writing.
const forgotten = time.Hour

// prune drops the kernels that were not used for longest until the rest takes no
// more than most bytes, and what a process that was killed left.
func (x Index) prune(most int64) error {
	kernels, err := x.kernels()
	if err != nil {
		return err
	}
	var total int64
	for _, k := range kernels {
		if total += k.bytes; total > most && k.bytes < total {
			x.drop(k)
		}
	}
	links, _ := filepath.Glob(filepath.Join(x.dir, "files", "*"))
	for _, link := range links {
		if _, err := os.Stat(link); errors.Is(err, os.ErrNotExist) {
			os.Remove(link)
		}
	}
	return nil
}
