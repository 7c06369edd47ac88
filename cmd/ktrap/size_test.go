package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What finds methods by their names at run time (text/template does) keeps the
// linker from leaving out those that nothing calls: 2 MB more.
func TestTheBinaryIsSmallerThan12MB(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ktrap")
	if out, err := exec.Command("../../scripts/build.sh", file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Size(), int64(12_000_000); got >= want {
		t.Errorf("%d bytes, want less than %d", got, want)
	}
}
