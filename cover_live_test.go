//go:build live

package ktrap_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// TestWhatEntersABlockLeavesItUnderLoad covers functions while threads read, open,
// connect and send. Each may be in a call when counting begins and when it ends; what
// else differs must have been missed.
func TestWhatEntersABlockLeavesItUnderLoad(t *testing.T) {
	functions := []string{"vfs_read", "unix_stream_connect"}
	if os.Getenv("KTRAP_DEEP") != "" {
		functions = append(functions, "do_sys_openat2", "path_openat", "tcp_sendmsg_locked")
	}
	before := armed(t)
	s := guarded(t)
	var covers []*ktrap.Cover
	var probes []*ktrap.Probe
	for _, name := range functions {
		c, err := s.Cover(name, ktrap.Probe{}, ktrap.Disassembler{})
		must(t, err)
		covers, probes = append(covers, c), append(probes, c.Probes()...)
	}
	regs := register(t, s, probes...)
	busy(t, 2*time.Second)
	must(t, s.Close())
	for i, c := range covers {
		coverage, err := c.Coverage(regs)
		must(t, err)
		sum := coverage.Sum()
		t.Logf("%s: %d calls, %d ended, %+v, %d missed", functions[i], coverage.Calls.N, coverage.Ended.N, sum, coverage.Missed)
		const underWay = 2 * 16 // more than the threads that are busy
		if coverage.Calls.N < 20 || sum.RanBlocks < 5 || sum.Off > underWay+int64(coverage.Missed) || !coverage.Explained() {
			t.Errorf("%s: %+v, %d missed, misses known: %t", functions[i], sum, coverage.Missed, coverage.MissesKnown)
			for n, b := range coverage.Blocks {
				if b.Off != 0 {
					t.Logf("+%#x: %+v", coverage.Code.Lines[coverage.Code.Blocks[n].Start].Offset, b)
				}
			}
		}
		if sum.Unknown*20 > sum.Blocks+sum.Edges {
			t.Errorf("%s: %d of %d blocks and %d edges are not known", functions[i], sum.Unknown, sum.Blocks, sum.Edges)
		}
	}
	if diff := cmp.Diff(before, armed(t)); diff != "" {
		t.Errorf("the kernel is not as it was found, -before +after:\n%s", diff)
	}
}

// TestCoverageOnceAgreesWithCounts covers a function twice during the same calls.
func TestCoverageOnceAgreesWithCounts(t *testing.T) {
	var all [2]*ktrap.Coverage
	for i, like := range []ktrap.Probe{{PID: uint32(os.Getpid())}, {PID: uint32(os.Getpid()), Once: true}} {
		s := guarded(t)
		c, err := s.Cover("do_sys_openat2", like, ktrap.Disassembler{})
		must(t, err)
		regs := register(t, s, c.Probes()...)
		for range 50 {
			try(os.DevNull)
			try("/no/such/file")
		}
		must(t, s.Close())
		all[i], err = c.Coverage(regs)
		must(t, err)
	}
	for i, b := range all[0].Blocks {
		once := all[1].Blocks[i]
		if once.Ran.Known && b.Ran.Known && once.Ran.N != min(b.Ran.N, 1) {
			t.Errorf("block %d ran %d times, and by --once %d", i, b.Ran.N, once.Ran.N)
		}
		for k, e := range once.Edges {
			if e.Known && b.Edges[k].Known && e.N != min(b.Edges[k].N, 1) {
				t.Errorf("edge %d of block %d was taken %d times, and by --once %d", k, i, b.Edges[k].N, e.N)
			}
		}
	}
}

// TestCoverEndsWithItsCommand has the command open files.
func TestCoverEndsWithItsCommand(t *testing.T) {
	self, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), "ktrap", "cover", "do_sys_openat2", "--json", "--", self)
	cmd.Env = append(os.Environ(), failOpens+"="+t.TempDir())
	out, err := cmd.Output()
	must(t, err)
	var covered struct {
		Calls ktrap.Count `json:"calls"`
	}
	from := bytes.IndexByte(out, '{') // behind what the command prints
	err = json.NewDecoder(bytes.NewReader(out[max(from, 0):])).Decode(&covered)
	if err != nil || covered.Calls.N < 4 {
		t.Errorf("%d calls, %v:\n%s", covered.Calls.N, err, out)
	}
}
