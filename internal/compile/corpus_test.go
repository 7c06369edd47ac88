package compile

import (
	"os"
	"path/filepath"
	"testing"

	"ktrap/internal/btf"
)

// corpus are the handlers that every kernel must accept.
func corpus(t testing.TB) []Source {
	t.Helper()
	names, err := filepath.Glob("testdata/handlers/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no handlers: %v", err)
	}
	var list []Source
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Source{Name: filepath.Base(name), Text: text})
	}
	return list
}

func parseBTF(t testing.TB, path string) *btf.Spec {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("needs btf: %v", err)
	}
	spec, err := btf.Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}
