package ktrap

import (
	"bytes"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ktrap/internal/kernel"
)

// needKernelTypes skips where this machine's kernel tells nothing of its types.
func needKernelTypes(t *testing.T) {
	t.Helper()
	if _, err := kernel.BTF(""); err != nil {
		t.Skipf("needs btf: %v", err)
	}
}

// goIn runs the go command in a folder.
func goIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("go %s: %v\n%s", strings.Join(args, " "), err, out[:min(len(out), 4000)])
	}
}

func put(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o666); err != nil {
		t.Fatal(err)
	}
}

// writeTypes does what `ktrap types` does.
func writeTypes(t *testing.T, path string) []byte {
	t.Helper()
	file, err := Compiler{}.Editor(path, 1)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	put(t, file.Name, file.Text)
	return file.Text
}

func TestEveryHandlerIsGoWithItsTypesBesideIt(t *testing.T) {
	needKernelTypes(t)
	names, err := filepath.Glob("internal/compile/testdata/handlers/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no handlers: %v", err)
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "go.mod"), []byte("module handlers\n\ngo 1.26\n"))
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (Compiler{}).Compile(name, text); err != nil {
			t.Logf("%s is not for the kernel at hand: %v", name, err)
			continue
		}
		at := filepath.Join(dir, "of_"+strings.TrimSuffix(filepath.Base(name), ".go"), "handler.go")
		put(t, at, text)
		types := writeTypes(t, at)
		if formatted, err := format.Source(types); err != nil || !bytes.Equal(formatted, types) {
			t.Errorf("the types for %s are not as gofmt has them: %v", name, err)
		}
	}
	goIn(t, dir, "vet", "./...")
	if gopls, err := exec.LookPath("gopls"); err == nil {
		goplsFindsNothing(t, gopls, dir)
	} else {
		t.Log("not asked: gopls, which is not there")
	}
}

func goplsFindsNothing(t *testing.T, gopls, dir string) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(gopls, append([]string{"check"}, files...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("gopls check: %v\n%s", err, out[:min(len(out), 4000)])
	}
}

func TestTypesWrittenAnewAreTheSame(t *testing.T) {
	needKernelTypes(t)
	name := filepath.Join(t.TempDir(), "tcplife.go")
	text, err := os.ReadFile("internal/compile/testdata/handlers/tcplife.go")
	if err != nil {
		t.Fatal(err)
	}
	put(t, name, text)
	first := writeTypes(t, name)
	for range 3 {
		if again := writeTypes(t, filepath.Dir(name)); !bytes.Equal(first, again) {
			t.Fatalf("%d bytes, then %d others", len(first), len(again))
		}
	}
}

// The example's own tests run on made-up structs.
func TestTheExamplesAreGoAndHandlers(t *testing.T) {
	needKernelTypes(t)
	dir := t.TempDir()
	files, err := filepath.Glob("examples/handlers/*")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if IsEditorFile(text) {
			continue
		}
		put(t, filepath.Join(dir, filepath.Base(name)), text)
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			compileForAll(t, name, text)
		}
	}
	writeTypes(t, dir)
	goIn(t, dir, "vet", ".")
	goIn(t, dir, "test", ".")
}

// compileForAll compiles a handler for the running kernel, and for those that the lab
// has fetched.
func compileForAll(t *testing.T, name string, text []byte) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	images := []string{""}
	for _, pattern := range []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz"} {
		found, err := filepath.Glob(filepath.Join(cache, "ktrap/lab/kernels/*", pattern))
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, found...)
	}
	for _, image := range images {
		if _, err := (Compiler{BTF: image}).Compile(name, text); err != nil {
			t.Errorf("for the kernel %s: %v", image, err)
		}
	}
}
