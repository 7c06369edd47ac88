//go:build live

package btf

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheRunningKernelReadsAsAnotherImplementationReadsIt(t *testing.T) {
	const dir = "/sys/kernel/btf"
	data, err := os.ReadFile(filepath.Join(dir, "vmlinux"))
	if err != nil {
		t.Skip("this kernel has no BTF: ", err)
	}
	base, otherBase := agree(t, data, nil, nil)
	modules, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if m.Name() == "vmlinux" {
			continue
		}
		t.Run(m.Name(), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, m.Name()))
			if err != nil {
				t.Fatal(err)
			}
			agree(t, data, base, otherBase)
		})
	}
}
