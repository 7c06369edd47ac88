package kernel

import (
	"os"
	"path/filepath"
	"testing"
)

func TestBTFInAFileIsToldFromAnythingElse(t *testing.T) {
	for text, want := range map[string]string{"\x9f\xeb\x01rest": "\x9f\xeb\x01rest", "MZ an image": "", "\x9f": "", "": ""} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadBTF(file)
		if err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
}
