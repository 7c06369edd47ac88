package symbols

import (
	"os"
	"path/filepath"
	"testing"

	"ktrap/internal/tinykernel"
)

// What a file says of itself may be a lie in every byte.
func FuzzAnImageIsReadOrRefused(f *testing.F) {
	vmlinux := tinykernel.Vmlinux([]byte("0123456789abcdef0123"), tiny...)
	for at := range len(vmlinux) / 512 {
		f.Add(uint32(at*512), []byte{0xff, 0x7f})
	}
	f.Fuzz(func(t *testing.T, at uint32, lie []byte) {
		content := append([]byte(nil), vmlinux...)
		copy(content[int(at)%len(content):], lie)
		path := filepath.Join(t.TempDir(), "vmlinux")
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		im, err := OpenImage(path, ImageOptions{NoIndex: true})
		if err != nil {
			return
		}
		defer im.Close()
		im.Info()
		im.Lookup("", "twice")
		im.Match("", "*")
		im.At(tinykernel.Text + 0x50)
		im.Code(tinykernel.Text, 64)
		im.Patches()
		n := 0
		for range im.All() {
			n++
		}
		if n > 10*tinykernel.Fill {
			t.Errorf("%d symbols in a file of %d bytes", n, len(content))
		}
	})
}
