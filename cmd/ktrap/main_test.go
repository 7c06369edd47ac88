//go:build !live

package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"ktrap/internal/cli"
	"ktrap/internal/tinykernel"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ktrap": func() { os.Exit(cli.Main(os.Args[1:], cli.Std())) },
	})
}

// The scripts need no kernel with kprobes and no rights. They find small kernel
// images in their folder: see images.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: images})
}

// images are a kernel of a few symbols, packed and not; what is none; and one
// that has no symbols.
func images(env *testscript.Env) error {
	symbols := []tinykernel.Symbol{
		{Addr: tinykernel.Text + 0x40, Type: 't', Name: "twice"},
		{Addr: tinykernel.Text + 0x80, Type: 't', Name: "twice"},
		{Addr: tinykernel.Text + 0xc0, Type: 'T', Name: "vfs_read"},
		{Addr: tinykernel.Text + 0x100, Type: 'T', Name: "vfs_readv"},
		{Addr: tinykernel.Text + 0x140, Type: 't', Name: "unix_stream_connect"},
		{Addr: tinykernel.Data + 0x10, Type: 'd', Name: "vfs_data"},
	}
	vmlinux := tinykernel.Vmlinux([]byte("0123456789abcdef0123"), symbols...)
	vmlinuz := tinykernel.BzImage(vmlinux)
	garbled := bytes.Clone(vmlinuz)
	copy(garbled[len(garbled)/2:], strings.Repeat("garbled", 20))
	other := bytes.Clone(vmlinux)
	other[18] = 0xf3 // RISC-V
	for name, content := range map[string][]byte{
		"vmlinuz": vmlinuz, "vmlinux.want": vmlinux, "riscv": other,
		"truncated": vmlinuz[:len(vmlinuz)-100], "garbled": garbled, "empty": nil,
		"nosymbols": tinykernel.BzImage(tinykernel.Vmlinux([]byte("id"))),
	} {
		if err := os.WriteFile(filepath.Join(env.WorkDir, name), content, 0o644); err != nil {
			return err
		}
	}
	env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
	return nil
}
