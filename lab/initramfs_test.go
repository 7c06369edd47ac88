package lab

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
)

func TestTheArchiveHoldsInitAndFilesWithTheirFolders(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program := write("program", "#!init", 0o755)
	write("data/a", "A", 0o644)
	if err := os.Symlink("a", filepath.Join(dir, "data/link")); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Init: program, Files: []string{filepath.Join(dir, "data"), program, program}}
	got := unpackArchive(t, cfg)
	for path, want := range map[string]string{
		"init":                    "#!init",
		"usr/bin/ktrap":           "→/init",
		"boot/vmlinuz-6.1-test":   "#!init",
		dir[1:] + "/data/a":       "A",
		dir[1:] + "/data/link":    "A",
		dir[1:] + "/program":      "#!init",
		boxPath[1:]:               `{"Modules":null}`,
		filepath.Dir(dir[1:]):     "folder",
		filepath.Dir("usr/bin/x"): "folder",
	} {
		if diff := cmp.Diff(want, got[path]); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func unpackArchive(t *testing.T, cfg Config) map[string]string {
	t.Helper()
	file, err := initramfs(cfg, Kernel{Release: "6.1-test", Image: cfg.Init})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{}
	r := cpio.NewReader(file)
	for {
		h, err := r.Next()
		if err == io.EOF {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := entries[h.Name]; twice {
			t.Errorf("%s is there twice", h.Name)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		entries[h.Name] = string(content)
		switch h.Mode &^ cpio.ModePerm {
		case cpio.TypeSymlink:
			entries[h.Name] = "→" + h.Linkname
		case cpio.TypeDir:
			entries[h.Name] = "folder"
		}
	}
}

func TestAFileThatIsNotThereIsNamed(t *testing.T) {
	_, err := initramfs(Config{Init: "/proc/self/exe", Files: []string{"/no/such/file"}}, Kernel{Image: "/proc/self/exe"})
	if err == nil || err.Error() != "make the initramfs: stat /no/such/file: no such file or directory" {
		t.Errorf("got %v", err)
	}
}
