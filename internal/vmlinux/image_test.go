package vmlinux_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ktrap/internal/kallsyms"
	"ktrap/internal/vmlinux"
	"ktrap/lab"
)

// forEachKernel runs a test on the kernels that the lab has fetched, as "make
// test" does before.
func forEachKernel(t *testing.T, f func(t *testing.T, k lab.Kernel)) {
	kernels, err := lab.Cached()
	if err != nil {
		t.Fatal(err)
	}
	if len(kernels) == 0 {
		t.Skip("needs a kernel image: bin/ktrap lab --fetch")
	}
	for _, k := range kernels {
		t.Run(k.Release, func(t *testing.T) { f(t, k) })
	}
}

func open(t *testing.T, path string) (file *vmlinux.File, unpacked []byte) {
	t.Helper()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if file, err = vmlinux.Open(image); err != nil {
		t.Fatal(err)
	}
	if unpacked, err = file.Vmlinux(); err != nil {
		t.Fatal(err)
	}
	return file, unpacked
}

func load(t *testing.T, unpacked []byte) (*vmlinux.Kernel, *kallsyms.Table) {
	t.Helper()
	k, err := vmlinux.Parse(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	layout, err := k.Layout()
	if err != nil {
		t.Fatal(err)
	}
	table, err := kallsyms.Load(k, layout)
	if err != nil {
		t.Fatal(err)
	}
	return k, table
}

// lookUp finds the one symbol of a name.
func lookUp(table *kallsyms.Table, name string) (s kallsyms.Symbol, ok bool) {
	for s := range table.WithPrefix(name) {
		if s.Name == name {
			return s, true
		}
	}
	return s, false
}

func TestAKernelAndItsSymbolsAgree(t *testing.T) {
	forEachKernel(t, func(t *testing.T, cached lab.Kernel) {
		file, unpacked := open(t, cached.Image)
		k, table := load(t, unpacked)
		if k.Arch != cached.Arch || k.Release() != cached.Release || len(k.BuildID()) != 40 {
			t.Errorf("%s of %s with build id %s, want %s of %s", k.Release(), k.Arch, k.BuildID(), cached.Release, cached.Arch)
		}
		if file.Container == "bzImage" && (file.Release != cached.Release || file.Arch != cached.Arch) {
			t.Errorf("the header says %s of %s", file.Release, file.Arch)
		}
		if banner, ok := lookUp(table, "linux_banner"); ok { // not among 6.1's of arm64
			text, err := k.Bytes(banner.Addr, len(k.Banner()))
			if err != nil || string(text) != k.Banner() {
				t.Errorf("linux_banner is %q, %v, want %q", text, err, k.Banner())
			}
		}
		if btf, ok := lookUp(table, "__start_BTF"); ok {
			stop, _ := lookUp(table, "__stop_BTF")
			text, err := k.Bytes(btf.Addr, int(stop.Addr-btf.Addr))
			if err != nil || !bytes.Equal(text, k.BTF()) {
				t.Errorf("%d bytes of BTF between its symbols, %v, and %d found", len(text), err, len(k.BTF()))
			}
		}
		text, ok := lookUp(table, "_stext")
		if ok = ok && table.Len() > 30_000; !ok || text.Addr%0x10000 != 0 {
			t.Errorf("%d symbols, _stext at %#x", table.Len(), text.Addr)
		}
	})
}

// The kernel tree's scripts/extract-vmlinux tries a tool at every magic number
// until an ELF file comes out.
func TestAKernelUnpacksToWhatTheToolsGive(t *testing.T) {
	tools := map[string]struct {
		magic string
		argv  []string
	}{
		"lz4":  {"\x02\x21\x4c\x18", []string{"lz4", "-d"}},
		"zstd": {"\x28\xb5\x2f\xfd", []string{"unzstd"}},
		"xz":   {"\xfd7zXZ\x00", []string{"unxz"}},
		"gzip": {"\x1f\x8b\x08", []string{"gunzip"}},
	}
	forEachKernel(t, func(t *testing.T, cached lab.Kernel) {
		file, unpacked := open(t, cached.Image)
		if file.Compression == "none" {
			return
		}
		tool := tools[file.Compression]
		need(t, tool.argv[0])
		image, _ := os.ReadFile(cached.Image)
		for at := 0; ; at++ {
			next := bytes.Index(image[at:], []byte(tool.magic))
			if next < 0 {
				t.Fatalf("%s finds nothing", tool.argv[0])
			}
			at += next
			cmd := exec.Command(tool.argv[0], tool.argv[1:]...)
			cmd.Stdin = bytes.NewReader(image[at:])
			// It complains about what follows its data.
			if want, _ := cmd.Output(); bytes.HasPrefix(want, []byte("\x7fELF")) {
				if !bytes.Equal(unpacked, want) {
					t.Errorf("%d bytes, and not the %d of %s", len(unpacked), len(want), tool.argv[0])
				}
				return
			}
		}
	})
}

func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s: make test installs it", program)
	}
}

// A kernel is packed anew as its own Makefile would, only less hard. KTRAP_DEEP
// does it by every compression.
func TestAKernelPackedByEveryToolIsTheSame(t *testing.T) {
	pack := map[string][]string{"lzo": {"lzop", "-1"}}
	if os.Getenv("KTRAP_DEEP") != "" {
		pack["gzip"], pack["bzip2"] = []string{"gzip", "-1"}, []string{"bzip2", "-1"}
		pack["lzma"], pack["zstd"] = []string{"lzma", "-0"}, []string{"zstd", "-1"}
		pack["lz4"], pack["xz"] = []string{"lz4", "-l", "-1"}, []string{"xz", "--check=crc32", "--x86", "--lzma2=preset=0,dict=32MiB"}
	}
	cached := newest(t, "amd64")
	_, unpacked := open(t, cached.Image)
	for name, argv := range pack {
		t.Run(name, func(t *testing.T) {
			need(t, argv[0])
			cmd := exec.Command(argv[0], append(argv[1:], "-c")...)
			cmd.Stdin = bytes.NewReader(unpacked)
			payload, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			file, err := vmlinux.Open(repack(t, cached.Image, payload, name, len(unpacked)))
			if err != nil {
				t.Fatal(err)
			}
			if again, err := file.Vmlinux(); err != nil || !bytes.Equal(again, unpacked) || file.Compression != name {
				t.Errorf("%d bytes by %s, %v, want the %d before", len(again), file.Compression, err, len(unpacked))
			}
		})
	}
}

// newest returns the newest fetched kernel of an architecture.
func newest(t *testing.T, arch string) lab.Kernel {
	t.Helper()
	kernels, err := lab.Cached()
	i := slices.IndexFunc(kernels, func(k lab.Kernel) bool { return k.Arch == arch })
	if err != nil || i < 0 {
		t.Skipf("needs a kernel image of %s: bin/ktrap lab --fetch (%v)", arch, err)
	}
	return kernels[i]
}

// repack puts another payload into a bzImage.
func repack(t *testing.T, path string, payload []byte, compression string, size int) []byte {
	t.Helper()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if compression != "gzip" {
		payload = binary.LittleEndian.AppendUint32(payload, uint32(size))
	}
	binary.LittleEndian.PutUint32(image[0x24c:], uint32(len(payload)))
	start := (int(image[0x1f1])+1)*512 + int(binary.LittleEndian.Uint32(image[0x248:]))
	return append(image[:start], payload...)
}

func TestObjdumpKnowsTheNamesOfAKernelWithSymbols(t *testing.T) {
	need(t, "objdump")
	_, unpacked := open(t, newest(t, "amd64").Image)
	k, table := load(t, unpacked)
	path := filepath.Join(t.TempDir(), "vmlinux")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := k.WithSymbols(file, table.InOrder()); err != nil {
		t.Fatal(err)
	}
	const name = "unix_stream_connect"
	s, _ := lookUp(table, name)
	out, err := exec.Command("objdump", "-d", "--disassemble="+name, path).Output()
	want := fmt.Sprintf("\n%016x <%s>:\n", s.Addr, name)
	if err != nil || !strings.Contains(string(out), want) || !strings.Contains(string(out), "<__fentry__>") {
		t.Errorf("%v, want %q and a call of __fentry__ in\n%.1000s", err, want, out)
	}
	written, err := elf.NewFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if symbols, err := written.Symbols(); err != nil || len(symbols) != table.Len() {
		t.Errorf("%d symbols are in the file, %v, want %d", len(symbols), err, table.Len())
	}
}
