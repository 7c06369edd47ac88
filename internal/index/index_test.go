package index

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

type told struct{ Word string }

// content has a page, a hole of a megabyte, and the rest of a page.
func content() []byte {
	b := make([]byte, 1<<20+page+100)
	for i := range page {
		b[i] = byte(i)
	}
	copy(b[len(b)-3:], "end")
	return b
}

func opened(t *testing.T) Index {
	t.Helper()
	x, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func stored(t *testing.T) (x Index, path string) {
	t.Helper()
	x = opened(t)
	if err := x.Store("a.kernel", told{"hello"}, content(), Sum(content())); err != nil {
		t.Fatal(err)
	}
	return x, x.path("a.kernel")
}

func TestAnEntryIsReadAsItWasStored(t *testing.T) {
	for name, content := range map[string][]byte{"some": content(), "none": nil, "zeros": make([]byte, 3*page)} {
		x := opened(t)
		if err := x.Store("a.kernel", told{name}, content, Sum(content)); err != nil {
			t.Fatal(err)
		}
		e, err := x.Load("a.kernel")
		if err != nil {
			t.Fatal(name, err)
		}
		var meta told
		if err := e.Meta(&meta); err != nil || meta.Word != name || !bytes.Equal(e.Content, content) {
			t.Errorf("%s: %v, %v, %d bytes, want %d", name, meta, err, len(e.Content), len(content))
		}
		e.Close()
	}
}

func TestZerosTakeNoRoom(t *testing.T) {
	x, _ := stored(t)
	kernels, err := x.kernels()
	if err != nil || len(kernels) != 1 || kernels[0].bytes > 64<<10 {
		t.Errorf("%+v, %v", kernels, err)
	}
}

func TestADamagedOrForeignEntryIsAnError(t *testing.T) {
	edit := func(at int64, text string) func(path string) error {
		return func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte(text), at)
			return errors.Join(err, f.Close(), os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)))
		}
	}
	truncate := func(size int64) func(path string) error {
		return func(path string) error { return os.Truncate(path, size) }
	}
	for what, damage := range map[string]func(path string) error{
		"no magic":           edit(0, "#!/bin/sh"),
		"another format":     edit(8, "\x02"),
		"a byte of the size": edit(16, "\x01"),
		"a byte of the text": edit(fixed+3, "\x00"),
		"a byte of content":  edit(page+77, "\xff"),
		"a byte of the hole": edit(page+99999, "\xff"),
		"empty":              truncate(0),
		"half a header":      truncate(100),
		"half the content":   truncate(page + 1<<19),
		"too long":           truncate(8 << 20),
		"written by anyone":  func(path string) error { return os.Chmod(path, 0o666) },
		"a folder":           func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) },
	} {
		x, path := stored(t)
		if err := damage(path); err != nil {
			t.Fatal(what, err)
		}
		if _, err := x.Load("a.kernel"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAnEntryFromBeforeTheLastBootIsSummedUpOnce(t *testing.T) {
	x, path := stored(t)
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHeader(first[:page])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		boot  string
		found time.Time
		right bool // whether a wrong content is noticed
	}{
		{"this boot", h.text.Boot, h.written, false},
		{"an earlier boot", "another", h.written, true},
		{"an earlier boot, summed up since", "another", h.right(), false},
		{"touched", h.text.Boot, h.written.Add(time.Minute), true},
	} {
		h.text.Boot = c.boot
		head, err := h.encode()
		if err != nil {
			t.Fatal(err)
		}
		wrong := append(head, first[page:]...)
		wrong[page+5] ^= 1
		for i, text := range [][]byte{append(head, first[page:]...), wrong} {
			if err := errors.Join(os.WriteFile(path, text, 0o644), os.Chtimes(path, time.Now(), c.found)); err != nil {
				t.Fatal(err)
			}
			_, err := x.Load("a.kernel")
			if want := i == 1 && c.right; (err != nil) != want {
				t.Errorf("%s, content %d: %v", c.what, i, err)
			}
			if info, _ := os.Stat(path); i == 0 && c.right && !info.ModTime().Equal(h.right()) {
				t.Errorf("%s: the file does not tell that it was found right", c.what)
			}
		}
	}
}

func TestAFileLeadsToItsKernelUntilItChanges(t *testing.T) {
	x, _ := stored(t)
	image := filepath.Join(t.TempDir(), "vmlinuz")
	stat := func(text string) os.FileInfo {
		if err := os.WriteFile(image, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(image)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	info := stat("one")
	if _, err := x.Find(info); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it was bound: %v", err)
	}
	for range 2 { // again is no error
		if err := x.Bind(info, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if e, err := x.Find(info); err != nil || !bytes.Equal(e.Content, content()) {
		t.Errorf("found %v, %v", e, err)
	}
	if _, err := x.Find(stat("three")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after it changed: %v", err)
	}
}

func TestTheIndexIsBoundedAndDropsWhatWasNotUsedForLongest(t *testing.T) {
	x := opened(t)
	now := time.Now()
	for i, name := range []string{"old", "older", "new"} {
		if err := errors.Join(x.store(name+".kernel", nil, content(), Sum(content())), x.store(name+".patches", nil, content(), Sum(content()))); err != nil {
			t.Fatal(err)
		}
		used := now.Add(-time.Duration([]int{2, 3, 1}[i]) * time.Hour)
		for _, ending := range []string{".kernel", ".patches"} {
			os.Chtimes(x.path(name+ending), used, time.Time{})
		}
	}
	info, _ := os.Stat(x.path("older.kernel"))
	if err := x.Bind(info, "older"); err != nil {
		t.Fatal(err)
	}
	left := x.path(temporary + "left")
	os.WriteFile(left, nil, 0o644)
	os.Chtimes(left, now, now.Add(-2*forgotten))
	kernels, err := x.kernels()
	if err != nil {
		t.Fatal(err)
	}
	if err := x.prune(kernels[0].bytes * 2); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pattern := range []string{"*", "files/*"} {
		paths, _ := filepath.Glob(x.path(pattern))
		for _, path := range paths {
			names = append(names, filepath.Base(path))
		}
	}
	want := []string{"files", "new.kernel", "new.patches", "old.kernel", "old.patches"}
	if len(names) != len(want) {
		t.Errorf("left are %v, want %v", names, want)
	}
}

func TestManyMayWriteAndReadAtOnce(t *testing.T) {
	x, _ := stored(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				if err := x.Store("a.kernel", told{"hello"}, content(), Sum(content())); err != nil {
					t.Error(err)
				}
				e, err := x.Load("a.kernel")
				if err != nil || !bytes.Equal(e.Content, content()) {
					t.Errorf("read %v", err)
				}
			}
		})
	}
	all.Wait()
}

func TestAFolderThatCantBeWrittenIsAnErrorThatNamesIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	x, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	want := "write " + file + "/images/a.kernel: not a directory"
	if err := x.Store("a.kernel", nil, nil, 0); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzAHeaderIsReadOrRefused(f *testing.F) {
	h := header{size: 5, written: time.Unix(2, 0), sum: 7, text: headerText{Boot: "x", Meta: []byte(`{}`)}}
	p, err := h.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p)
	f.Fuzz(func(t *testing.T, p []byte) {
		p = append(p, make([]byte, page)...)[:page]
		copy(p, magic)
		binary.LittleEndian.PutUint32(p[8:], version)
		binary.LittleEndian.PutUint32(p[12:], Sum(p[16:]))
		parseHeader(p)
	})
}
