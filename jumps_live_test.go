//go:build live

package ktrap

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAJumpIsTakenAsOftenAsFollowsFromTheBlocks counts every conditional jump of a
// function by the flags that it finds as well.
func TestAJumpIsTakenAsOftenAsFollowsFromTheBlocks(t *testing.T) {
	functions := []string{"vfs_read"}
	if os.Getenv("KTRAP_DEEP") != "" {
		functions = append(functions, "do_sys_openat2", "path_openat")
	}
	s, err := Config{Guard: []string{"ktrap", "guard"}}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var covers []*Cover
	var probes []*Probe
	for _, name := range functions {
		c, err := s.Cover(name, Probe{PID: uint32(os.Getpid())}, Disassembler{})
		if err != nil {
			t.Fatal(err)
		}
		covers, probes = append(covers, c), append(probes, c.Probes()...)
	}
	var jumps []*Probe
	for _, c := range covers {
		for i, b := range c.code.Blocks {
			if cond := c.code.taken(i); cond != "" {
				probe := c.like
				probe.Addr, probe.If = uint64(c.code.Lines[b.End-1].Addr), cond
				jumps = append(jumps, &probe)
			}
		}
	}
	regs, err := s.Register(t.Context(), append(probes, jumps...)...)
	if err != nil {
		t.Fatal(err)
	}
	readFiles(t, 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	counted := map[uint64]uint64{}
	for _, r := range regs[len(probes):] {
		l, err := r.Ledger()
		if err != nil {
			t.Fatal(err)
		}
		counted[r.probe.Addr] = l.Handled
	}
	same, ran := 0, 0
	for n, c := range covers {
		coverage, err := c.Coverage(regs[:len(probes)])
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range c.code.Blocks {
			at := c.code.Lines[b.End-1]
			got, ok := counted[uint64(at.Addr)]
			if !ok {
				continue
			}
			follows := coverage.Blocks[i].Edges[taken(b)]
			if !follows.Known || follows.N != got {
				t.Errorf("%s+%#x: %s: taken %d times, and by the blocks %v", functions[n], at.Offset, at.Text, got, follows)
			}
			same++
			if coverage.Blocks[i].Ran.N > 0 {
				ran++
			}
		}
	}
	t.Logf("%d jumps, %d of them ran", same, ran)
	if ran < same/2 {
		t.Errorf("only %d of %d jumps ran", ran, same)
	}
}

// readFiles reads a file and a directory, and what is not there.
func readFiles(t *testing.T, times int) {
	for i := range times {
		for _, name := range []string{"/proc/self/stat", "/", "/no/such/file"} {
			fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				continue
			}
			_, _ = unix.Read(fd, make([]byte, 1+i))
			unix.Close(fd)
		}
	}
}
