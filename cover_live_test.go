//go:build live

package ktrap_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap"
)

// TestACoveredFunctionsCountsAddUp opens files that are there and ones that are not: the
// branch of do_sys_openat2 between them is taken as often.
func TestACoveredFunctionsCountsAddUp(t *testing.T) {
	const calls, missing = 300, 100
	s := guarded(t)
	c, err := s.Cover("do_sys_openat2", ktrap.Probe{PID: uint32(os.Getpid())}, ktrap.Disassembler{})
	must(t, err)
	regs := register(t, s, c.Probes()...)
	for i := range calls {
		name := os.DevNull
		if i < missing {
			name = "/no/such/file"
		}
		if fd, err := unix.Open(name, unix.O_RDONLY, 0); err == nil {
			unix.Close(fd)
		}
	}
	must(t, s.Close())
	coverage, err := c.Coverage(regs)
	must(t, err)
	if coverage.Calls.N < calls || coverage.Calls.N > calls+20 {
		t.Errorf("%d calls, want %d", coverage.Calls.N, calls)
	}
	sum := coverage.Sum()
	if sum.Off != 0 || sum.Unknown != 0 || sum.RanBlocks < 5 || sum.RanBlocks == sum.Blocks {
		t.Errorf("%+v", sum)
	}
	split := false
	for i, b := range coverage.Blocks {
		for k, e := range b.Edges {
			split = split || e.Known && e.N == missing && coverage.Code.Blocks[i].Succ[k].Kind != "next"
		}
	}
	if !split {
		t.Errorf("no branch was taken %d times: %+v", missing, coverage.Blocks)
	}
}
