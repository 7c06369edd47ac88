package source

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const buildID = "0123456789abcdef"

// compile makes a program with DWARF whose build-id is buildID.
func compile(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("needs gcc: to compile what is read")
	}
	path := filepath.Join(t.TempDir(), "vmlinux")
	cmd := exec.Command("gcc", "-g", "-O0", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic",
		"-Wl,-Ttext=0xffffffff81000000,-e,half,--build-id=0x"+buildID, "-o", path, "-x", "c", "-")
	cmd.Stdin = strings.NewReader("int half(int x)\n{\n\treturn x / 2;\n}\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return path
}

func TestOnlyDWARFOfTheSameBuildIsTrusted(t *testing.T) {
	path := compile(t)
	lines, err := Open(path, buildID)
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	frames, err := lines.At(0xffffffff81000000)
	if err != nil || len(frames) != 1 || frames[0].Func != "half" || frames[0].Line != 2 {
		t.Errorf("got %v, %v; want line 2 of half", frames, err)
	}

	_, err = Open(path, "ffff")
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || mismatch.Have != buildID || mismatch.Want != "ffff" {
		t.Errorf("with another build-id: %v", err)
	}
}

func TestDWARFIsFoundWhereDistributionsPutIt(t *testing.T) {
	for _, path := range []string{
		"usr/lib/debug/boot/vmlinux-6.12",
		"usr/lib/debug/lib/modules/6.12/vmlinux",
		"lib/modules/6.12/build/vmlinux",
		"usr/lib/debug/.build-id/01/23456789abcdef.debug",
	} {
		root := t.TempDir()
		want := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(want), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(want, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := find(root, "6.12", buildID); err != nil || got != want {
			t.Errorf("got %s, %v; want %s", got, err, want)
		}
	}
}

func TestMissingDWARFSaysWhereItComesFrom(t *testing.T) {
	_, err := find(t.TempDir(), "6.12", "")
	var missing *MissingError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "linux-image-6.12-dbg") {
		t.Errorf("got %v", err)
	}
}

func TestAFileThatIsNoKernelIsNamedInTheError(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"source_test.go", empty, t.TempDir(), "/nonexistent"} {
		if _, err := Open(path, ""); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestAFileThatIsCutWhileItIsReadIsAnError(t *testing.T) {
	path := compile(t)
	lines, err := Open(path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.At(0xffffffff81000000); err == nil || !strings.Contains(err.Error(), "damaged DWARF") {
		t.Errorf("got %v", err)
	}
}
