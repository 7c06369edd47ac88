package lab

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
)

// machine is what an architecture needs of QEMU and of its kernels.
type machine struct {
	emulator string
	install  string // the package of the emulator
	model    string
	cpu      string // where it is emulated
	serial   string // the kernel's name for the first serial port
}

var machines = map[string]machine{
	"amd64": {
		emulator: "qemu-system-x86_64", install: "qemu-system-x86",
		model: "pc", serial: "ttyS0",
		// QEMU 7.2 gets the flags of cmpxchg16b wrong, which now and then kills a
		// kernel that uses it.
		cpu: "qemu64,-cx16",
	},
	"arm64": {
		emulator: "qemu-system-aarch64", install: "qemu-system-arm",
		model: "virt", serial: "ttyAMA0",
		cpu: "cortex-a57", // "max" signs pointers, which QEMU 7.2 computes slowly
	},
}

// knownArch returns the architecture of that name, which is GOARCH's, or the
// host's.
func knownArch(name string) (string, error) {
	name = cmp.Or(name, runtime.GOARCH)
	if _, known := machines[name]; !known {
		return "", fmt.Errorf("no architecture %q: there are %s", name, strings.Join(slices.Sorted(maps.Keys(machines)), ", "))
	}
	return name, nil
}
