package attach

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"

	"ktrap/internal/facts"
)

// openKprobe arms a kprobe at a raw address by a perf event; closing it removes
// the probe. The library can only name a symbol and an offset, which neither
// tells duplicates apart nor reaches every address.
func openKprobe(pmu facts.PMU, addr uint64, ret bool) (fd, error) {
	attr := unix.PerfEventAttr{
		Type: pmu.Type,
		Ext2: addr, // config2; config1 is no name
	}
	if ret {
		attr.Config = 1 << pmu.ReturnBit
	}
	// The event is of one CPU, the probe and its program of all.
	return openEvent(&attr)
}

func openEvent(attr *unix.PerfEventAttr) (fd, error) {
	attr.Size = uint32(unsafe.Sizeof(*attr))
	const anyProcess, firstCPU, noGroup = -1, 0, -1
	n, err := unix.PerfEventOpen(attr, anyProcess, firstCPU, noGroup, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("perf_event_open: %w", err)
	}
	return fd(n), nil
}
