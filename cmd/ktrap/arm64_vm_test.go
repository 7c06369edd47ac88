//go:build vm

package main_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ktrap/lab"
)

// What the image says here is held against what the kernel in it says of itself,
// booted on an emulated machine.
func TestTheSymbolsOfAnARM64ImageAreThoseOfItsKernel(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ktrap"), filepath.Join(dir, "ktrap-arm64")
	build(t, ours)
	build(t, theirs, "GOARCH=arm64")
	versions := []string{"6.12"}
	if os.Getenv("KTRAP_DEEP") != "" {
		versions = append(versions, "6.1", "7.3") // 6.1 has symbols of code only
	}
	for _, version := range versions {
		kernel, err := lab.FindKernel(t.Context(), version, "arm64", os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		image, err := exec.Command(ours, "symbols", "--image", kernel.Image, "--raw").Output()
		if err != nil {
			t.Fatalf("%s: %v: %s", version, err, err.(*exec.ExitError).Stderr)
		}
		live := inARM64(t, theirs, kernel.Image, "ktrap", "symbols", "--raw")
		compareRaw(t, kernel.Release, live, image)
	}
}

// compareRaw expects the image's symbols, and behind them those of modules.
func compareRaw(t *testing.T, release string, live, image []byte) {
	t.Helper()
	n := bytes.Count(live, []byte("\n"))
	t.Logf("%s: %d symbols", release, n)
	if n < 40_000 || bytes.HasPrefix(live, []byte("0000000000000000")) {
		t.Fatalf("%s told %d symbols: %.200s", release, n, live)
	}
	rest, same := bytes.CutPrefix(live, image)
	first, _, _ := bytes.Cut(rest, []byte("\n"))
	if !same || len(first) > 0 && !bytes.HasSuffix(first, []byte("]")) {
		t.Errorf("%s (-live +image):\n%s", release, firstDifferences(live, image))
	}
}

// build makes the program for a machine.
func build(t *testing.T, output string, env ...string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", output, ".")
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// inARM64 runs a command on an arm64 kernel that stays where it was linked for.
func inARM64(t *testing.T, ktrap, image string, argv ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	exit, err := lab.Run(t.Context(), lab.Config{
		Kernel: image, Init: ktrap, Append: "nokaslr", BootTimeout: 5 * time.Minute,
		Stdout: &out, Stderr: os.Stderr,
	}, argv)
	if err != nil || exit != 0 {
		t.Fatalf("exit %d, %v", exit, err)
	}
	return out.Bytes()
}

func firstDifferences(a, b []byte) string {
	linesA, linesB := bytes.SplitAfter(a, []byte("\n")), bytes.SplitAfter(b, []byte("\n"))
	for i := range min(len(linesA), len(linesB)) {
		if !bytes.Equal(linesA[i], linesB[i]) {
			return cmp.Diff(string(bytes.Join(linesA[i:min(i+5, len(linesA))], nil)), string(bytes.Join(linesB[i:min(i+5, len(linesB))], nil)))
		}
	}
	return "one ends before the other"
}
