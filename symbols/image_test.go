package symbols

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ktrap/internal/index"
	"ktrap/internal/tinykernel"
)

// tiny are the symbols of an image in a test, besides its own.
var tiny = []tinykernel.Symbol{
	{Addr: 0x10, Type: 'A', Name: "percpu_thing"},
	{Addr: tinykernel.Text, Type: 't', Name: "first"},
	{Addr: tinykernel.Text, Type: 'T', Name: "same_place"},
	{Addr: tinykernel.Text + 0x40, Type: 't', Name: "twice"},
	{Addr: tinykernel.Text + 0x80, Type: 't', Name: "twice"},
	{Addr: tinykernel.Text + 0xc0, Type: 't', Name: "made.cold"},
	{Addr: tinykernel.Data + 0x10, Type: 'd', Name: "some_data"},
}

// images are the same kernel, compressed and bare.
func images(t *testing.T) map[string]string {
	t.Helper()
	vmlinux := tinykernel.Vmlinux([]byte("0123456789abcdef0123"), tiny...)
	paths := map[string]string{}
	for name, content := range map[string][]byte{"vmlinuz": tinykernel.BzImage(vmlinux), "vmlinux": vmlinux} {
		paths[name] = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(paths[name], content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// opening opens an image, and fails on any warning.
func opening(t *testing.T, path, cache string) *Image {
	t.Helper()
	im, err := OpenImage(path, ImageOptions{Cache: cache, Warn: func(err error) { t.Error("warned:", err) }})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func TestAnImageAnswersTheSameWithAndWithoutItsIndex(t *testing.T) {
	for name, path := range images(t) {
		cache := t.TempDir()
		for i, how := range []string{"cold", "warm"} {
			im := opening(t, path, cache)
			if indexed := im.entry != nil; indexed != (i == 1) {
				t.Errorf("%s, %s: from the index: %t", name, how, indexed)
			}
			checkTiny(t, im)
			if err := im.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func checkTiny(t *testing.T, im *Image) {
	t.Helper()
	twice, err := im.Lookup("", "twice")
	if err != nil || len(twice) != 2 || twice[0].Addr != tinykernel.Text+0x40 || twice[0].Size != 0x40 || twice[0].Type != 't' {
		t.Errorf("twice is %+v, %v", twice, err)
	}
	if s, offset, ok := im.At(tinykernel.Text + 5); s.Name != "first" || offset != 5 || !ok {
		t.Errorf("At = %v+%d, %t", s, offset, ok)
	}
	if all, err := im.Aliases(tinykernel.Text); err != nil || len(all) != 3 {
		t.Errorf("Aliases = %v, %v", all, err)
	}
	if in, err := im.InText(tinykernel.Data); in || err != nil {
		t.Errorf("data is text: %t, %v", in, err)
	}
	if code, err := im.Code(tinykernel.Text, 4); !bytes.Equal(code, []byte{0xc3, 0xc3, 0xc3, 0xc3}) || err != nil {
		t.Errorf("Code = %x, %v", code, err)
	}
	if im.SectionAt(tinykernel.Text) != ".text" || im.SectionAt(7) != "" {
		t.Errorf("sections are %+v", im.Sections())
	}
	var names []string
	for s, err := range im.All() {
		if err != nil {
			t.Fatal(err)
		}
		if s.Type != 'b' {
			names = append(names, s.Name)
		}
	}
	if got := strings.Join(names, " "); got != "percpu_thing first same_place _stext twice twice made.cold _etext linux_banner some_data" {
		t.Errorf("all are %s", got)
	}
	if _, err := im.Patches(); err != nil {
		t.Errorf("Patches: %v", err)
	}
	checkInfo(t, im)
}

func checkInfo(t *testing.T, im *Image) {
	t.Helper()
	info, err := im.Info()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(info.Release, " ", info.Build, " ", info.BuildID, " ", info.Arch, " ", info.Symbols)
	if want := "6.12.0-tiny #1 SMP 3031323334353637383961626364656630313233 amd64 310"; got != want {
		t.Errorf("info is %s, want %s", got, want)
	}
	packed := map[string]string{"vmlinuz": "bzImage gzip", "vmlinux": "ELF none"}[im.image]
	if got := info.Container + " " + info.Compression; got != packed {
		t.Errorf("packed as %s, want %s", got, packed)
	}
}

func TestAMissInAnImageNamesTheImage(t *testing.T) {
	im := opening(t, images(t)["vmlinuz"], t.TempDir())
	defer im.Close()
	for _, c := range []struct{ module, name, want string }{
		{"", "some_dta", "no symbol some_dta in vmlinuz"},
		{"", "same_plce", "no symbol same_plce in vmlinuz (did you mean same_place?)"},
		{"", "made", "no symbol made in vmlinuz (the compiler made made.cold out of it)"},
		{"ext4", "ext4_sync_fs", "module ext4 is not in vmlinuz: an image holds the kernel without its modules"},
	} {
		if _, err := im.Lookup(c.module, c.name); err == nil || err.Error() != c.want {
			t.Errorf("Lookup(%q, %q):\n got %v\nwant %s", c.module, c.name, err, c.want)
		}
	}
}

func TestAnIndexThatIsOfNoUseIsMadeAnew(t *testing.T) {
	path := images(t)["vmlinuz"]
	for what, spoil := range map[string]func(entry string) error{
		"truncated":   func(entry string) error { return os.Truncate(entry, 5000) },
		"overwritten": func(entry string) error { return os.WriteFile(entry, bytes.Repeat([]byte("x"), 9999), 0o644) },
		"lost":        os.Remove,
	} {
		cache := t.TempDir()
		opening(t, path, cache).Close()
		entries, _ := filepath.Glob(filepath.Join(cache, "images/*.kernel"))
		if len(entries) != 1 {
			t.Fatalf("the index holds %v", entries)
		}
		if err := spoil(entries[0]); err != nil {
			t.Fatal(err)
		}
		var warned error
		im, err := OpenImage(path, ImageOptions{Cache: cache, Warn: func(err error) { warned = err }})
		if err != nil {
			t.Fatal(what, err)
		}
		checkTiny(t, im)
		im.Close()
		if (warned == nil) != (what == "lost") || warned != nil && !errors.Is(warned, index.ErrDamaged) {
			t.Errorf("%s: warned %v", what, warned)
		}
		again := opening(t, path, cache)
		if again.entry == nil {
			t.Errorf("%s: it was not made anew", what)
		}
		again.Close()
	}
}

func TestAChangedImageIsReadAgain(t *testing.T) {
	path, cache := images(t)["vmlinuz"], t.TempDir()
	opening(t, path, cache).Close()
	other := tinykernel.BzImage(tinykernel.Vmlinux([]byte("0123456789abcdef0123"), tinykernel.Few(5)...))
	if err := os.WriteFile(path, other, 0o644); err != nil {
		t.Fatal(err)
	}
	im := opening(t, path, cache)
	defer im.Close()
	if _, err := im.Lookup("", "function_3"); err != nil {
		t.Error(err)
	}
}

func TestWithoutACacheFolderTheAnswersAreTheSame(t *testing.T) {
	var warned []error
	im, err := OpenImage(images(t)["vmlinuz"], ImageOptions{Cache: "/dev/null/no", Warn: func(err error) { warned = append(warned, err) }})
	if err != nil {
		t.Fatal(err)
	}
	checkTiny(t, im)
	im.Close()
	const want = "no index of vmlinuz, so each look-up decompresses it: write /dev/null/no/images/"
	if len(warned) == 0 || !strings.HasPrefix(warned[len(warned)-1].Error(), want) {
		t.Errorf("warned %v, want %s…", warned, want)
	}
}

func TestAnImageWithoutSymbolsSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bare")
	if err := os.WriteFile(path, tinykernel.BzImage(tinykernel.Vmlinux([]byte("id"))), 0o644); err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	for range 2 { // cold and warm
		im := opening(t, path, cache)
		_, err := im.Lookup("", "vfs_read")
		info, infoErr := im.Info()
		if err == nil || !strings.HasPrefix(err.Error(), "read the symbols of bare: ") || infoErr != nil || info.NoSymbols != err.Error() {
			t.Errorf("Lookup: %v; info %+v, %v", err, info, infoErr)
		}
		im.Close()
	}
}

func TestWhatIsNoImageIsAnError(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole := tinykernel.BzImage(tinykernel.Vmlinux([]byte("id"), tiny...))
	for _, path := range []string{
		dir, "/dev/null", "/dev/zero", filepath.Join(dir, "none"),
		write("empty", nil), write("text", []byte("#!/bin/sh\n")), write("half", whole[:len(whole)/2]),
		write("garbled", append(whole[:0x600:0x600], bytes.Repeat([]byte("x"), len(whole)-0x600)...)),
	} {
		im, err := OpenImage(path, ImageOptions{Cache: t.TempDir()})
		if err == nil {
			im.Close()
			t.Errorf("%s was opened", path)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s is not named in: %v", path, err)
		}
	}
	if _, err := OpenImage(filepath.Join(dir, "none"), ImageOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestAVmlinuxIsWrittenAsItIsOrWithSymbols(t *testing.T) {
	for _, path := range images(t) {
		im := opening(t, path, t.TempDir())
		var plain, named bytes.Buffer
		if err := errors.Join(im.WriteVmlinux(&plain, false), im.WriteVmlinux(&named, true)); err != nil {
			t.Fatal(err)
		}
		if want := tinykernel.Vmlinux([]byte("0123456789abcdef0123"), tiny...); !bytes.Equal(plain.Bytes(), want) {
			t.Error("the vmlinux is not as it was packed")
		}
		f, err := elf.NewFile(bytes.NewReader(named.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		symbols, err := f.Symbols()
		if err != nil || len(symbols) < len(tiny) {
			t.Errorf("%d symbols, %v", len(symbols), err)
		}
		im.Close()
	}
}
