package lab

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFoldersOfTheLoaderAreReadWithTheirIncludes(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"ld.so.conf":    "# a comment\ninclude " + dir + "/conf.d/*.conf\n/opt/lib\n",
		"conf.d/1.conf": "/usr/lib/one\n",
		"conf.d/2.conf": "  /usr/lib/two  \n",
		"conf.d/other":  "/usr/lib/other\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := configuredDirs(filepath.Join(dir, "ld.so.conf"))
	want := []string{"/usr/lib/one", "/usr/lib/two", "/opt/lib"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFileThatIsNoProgramNeedsNoLibraries(t *testing.T) {
	if got, err := libraries("/etc/passwd"); got != nil || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}
