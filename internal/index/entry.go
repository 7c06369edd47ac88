package index

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"time"
)

// Entry is an entry that is mapped until it is closed.
type Entry struct {
	Kernel  string // the name that all entries of the kernel have in common
	Content []byte
	meta    json.RawMessage
	mapped  []byte
}

// Close ends the mapping; Content is gone then.
func (e *Entry) Close() error { return syscall.Munmap(e.mapped) }

// Forget gives back the memory of what has been read so far; what is read again is
// mapped again.
func (e *Entry) Forget() {
	_ = unix.Madvise(e.mapped, unix.MADV_DONTNEED) // only a wish
}

// Meta decodes what was stored beside the content.
func (e *Entry) Meta(into any) error { return json.Unmarshal(e.meta, into) }

const (
	magic   = "ktrap ix"
	version = 1
	page    = 4096
	fixed   = 40 // bytes before the JSON
)

// ErrDamaged marks an entry that is not as it was written, or not ours.
var ErrDamaged = errors.New("damaged index")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum is the checksum of contents.
func Sum(content []byte) uint32 { return crc32.Checksum(content, castagnoli) }

// header is the first page of an entry.
type header struct {
	size    uint64
	written time.Time
	sum     uint32
	text    headerText
}

type headerText struct {
	Boot string          `json:"boot"`
	Meta json.RawMessage `json:"meta"`
}

// Load opens the entry of that name.
func (x Index) Load(name string) (*Entry, error) {
	f, err := os.OpenFile(x.path(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	e, err := load(f)
	if err != nil {
		return nil, fmt.Errorf("%w %s: %w", ErrDamaged, f.Name(), err)
	}
	e.Kernel, _, _ = strings.Cut(name, ".")
	return e, nil
}

func load(f *os.File) (*Entry, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !trusted(info) {
		return nil, errors.New("it is another user's")
	}
	var first [page]byte
	if _, err := f.ReadAt(first[:], 0); err != nil && err != io.EOF {
		return nil, err
	}
	h, err := parseHeader(first[:])
	if err != nil {
		return nil, err
	}
	if uint64(info.Size())-page != h.size {
		return nil, fmt.Errorf("it has %d bytes and not %d", info.Size(), page+h.size)
	}
	mapped, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	// A question touches few pages; whole huge ones would count as ours.
	_ = unix.Madvise(mapped, unix.MADV_NOHUGEPAGE)
	e := &Entry{Content: mapped[page:], meta: h.text.Meta, mapped: mapped}
	if err := h.check(f, info, e.Content); err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// trusted says whether nobody else could have written the file.
func trusted(info os.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && info.Mode()&0o022 == 0 &&
		(stat.Uid == 0 || int(stat.Uid) == os.Geteuid())
}

// check sums the content up if it may have changed.
func (h *header) check(f *os.File, info os.FileInfo, content []byte) error {
	found, boot := info.ModTime(), bootID()
	switch {
	case found.Equal(h.written) && boot != "" && boot == h.text.Boot:
	case found.Equal(h.right()):
	case Sum(content) != h.sum:
		return errors.New("its checksum is wrong")
	default:
		os.Chtimes(f.Name(), time.Now(), h.right())
		return nil
	}
	const often = time.Hour
	if stat := info.Sys().(*syscall.Stat_t); time.Since(time.Unix(stat.Atim.Unix())) > often {
		os.Chtimes(f.Name(), time.Now(), time.Time{}) // when it was last used
	}
	return nil
}

// grain is what every file system can tell times apart by.
const grain = 2 * time.Second

// right is the time of a file whose content was found right.
func (h *header) right() time.Time { return h.written.Add(grain) }

func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id))
}

func (h *header) encode() ([]byte, error) {
	text, err := json.Marshal(h.text)
	if err != nil {
		return nil, err
	}
	if len(text) > page-fixed {
		return nil, fmt.Errorf("%d bytes are too much to be said of an entry", len(text))
	}
	p := make([]byte, page)
	le := binary.LittleEndian
	copy(p, magic)
	le.PutUint32(p[8:], version)
	le.PutUint64(p[16:], h.size)
	le.PutUint64(p[24:], uint64(h.written.Unix()))
	le.PutUint32(p[32:], h.sum)
	le.PutUint32(p[36:], uint32(len(text)))
	copy(p[fixed:], text)
	le.PutUint32(p[12:], Sum(p[16:]))
	return p, nil
}

func parseHeader(p []byte) (*header, error) {
	le := binary.LittleEndian
	switch {
	case !bytes.HasPrefix(p, []byte(magic)):
		return nil, errors.New("it is none")
	case le.Uint32(p[8:]) != version:
		return nil, fmt.Errorf("it has format %d, not %d", le.Uint32(p[8:]), version)
	case le.Uint32(p[12:]) != Sum(p[16:]):
		return nil, errors.New("the checksum of its header is wrong")
	}
	length := le.Uint32(p[36:])
	if length > page-fixed {
		return nil, errors.New("its header is too long")
	}
	h := &header{size: le.Uint64(p[16:]), written: time.Unix(int64(le.Uint64(p[24:])), 0), sum: le.Uint32(p[32:])}
	return h, json.Unmarshal(p[fixed:fixed+length], &h.text)
}
