package lab

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAVersionMatchesWholeNumbers(t *testing.T) {
	for _, c := range []struct {
		release, version string
		want             bool
	}{
		{"6.1.0-56-cloud-amd64", "6.1", true},
		{"6.12.117+deb13-cloud-amd64", "6.1", false},
		{"6.12.117+deb13-cloud-amd64", "6.12.117", true},
		{"6.12.117+deb13-cloud-amd64", "6.12.11", false},
		{"6.12", "6.12", true},
		{"5.10.0-46-cloud-amd64", "6", false},
	} {
		if got := hasVersion(c.release, c.version); got != c.want {
			t.Errorf("hasVersion(%q, %q) = %v, want %v", c.release, c.version, got, c.want)
		}
	}
}

func TestReleasesAreOrderedByTheirNumbers(t *testing.T) {
	got := []string{"6.9.1", "6.12.117+deb13-cloud", "6.10", "5.10.0-46", "6.12.107+deb13-cloud"}
	slices.SortFunc(got, compareReleases)
	want := []string{"5.10.0-46", "6.9.1", "6.10", "6.12.107+deb13-cloud", "6.12.117+deb13-cloud"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnImageSaysItsReleaseAndFindsItsModules(t *testing.T) {
	root := t.TempDir()
	image := filepath.Join(root, "boot", "vmlinuz")
	modules := filepath.Join(root, "lib/modules/6.1.0-test")
	for _, dir := range []string{filepath.Dir(image), filepath.Join(modules, "kernel")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(image, bzImage("6.1.0-test (someone@somewhere) #1"), 0o644); err != nil {
		t.Fatal(err)
	}
	k, err := imageKernel(image)
	want := Kernel{Release: "6.1.0-test", Arch: "amd64", Image: image, Modules: modules}
	if err != nil || k != want {
		t.Errorf("got %+v, %v; want %+v", k, err, want)
	}
}

func bzImage(version string) []byte {
	image := make([]byte, 0x400)
	copy(image[0x202:], "HdrS")
	image[0x20e], image[0x20f] = 0x00, 0x01 // 0x100, from 0x200
	copy(image[0x300:], version)
	return image
}

func TestAFileThatIsNoKernelIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vmlinuz")
	for _, content := range []string{"", "not a kernel", strings.Repeat("x", 70<<10)} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if k, err := imageKernel(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%d bytes: got %+v, %v; want an error that names the file", len(content), k, err)
		}
	}
}
