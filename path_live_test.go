//go:build live

package ktrap_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ktrap"
)

// refused are the errors that a process of another user meets when it opens files; and
// when it may open no more of them.
var refused = []int64{-int64(unix.ENOENT), -int64(unix.EACCES), -int64(unix.ELOOP), -int64(unix.EMFILE)}

// failing has a process meet them.
func failing(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	must(t, os.WriteFile(filepath.Join(dir, "secret"), nil, 0o600))
	must(t, os.Symlink(filepath.Join(dir, "loop"), filepath.Join(dir, "loop")))
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), failOpens+"="+dir)
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintln(refused); err != nil || string(out) != want {
		t.Errorf("%v: met %swant %s", err, out, want)
	}
}

// openInVain is that process.
func openInVain(dir string) error {
	if err := syscall.Setresuid(65534, 65534, 65534); err != nil {
		return err
	}
	var met []int64
	for _, name := range []string{"", "missing", "secret", "loop"} {
		met = append(met, try(filepath.Join(dir, name)))
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{}); err != nil {
		return err
	}
	fmt.Println(append(met[1:], try(dir)))
	return nil
}

func try(name string) int64 {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err == nil {
		unix.Close(fd)
		return 0
	}
	return -int64(err.(unix.Errno))
}

// ways are the calls of a function while do runs, checked.
func ways(t *testing.T, p ktrap.Path, do func()) (calls []*ktrap.PathCall, counts ktrap.PathCounts) {
	t.Helper()
	s := guarded(t)
	w, err := s.Path(t.Context(), p)
	if err != nil {
		t.Skip("needs "+p.Func+": ", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		do()
	}()
	for c, err := range w.Calls(ctx) {
		must(t, err)
		calls = append(calls, c)
	}
	must(t, s.Close())
	counts, err = w.Counts()
	must(t, err)
	for _, left := range w.LeftOut() {
		t.Log(left)
	}
	return calls, counts
}

func TestAFailingOpenShowsTheBranchThatDecidedIt(t *testing.T) {
	calls := failingOpens(t, ktrap.Path{Func: "do_sys_openat2", If: "err == -ENOENT || err == -EACCES || err == -ELOOP || err == -EMFILE"})
	for _, e := range refused {
		d := decision(t, calls, e)
		if d == nil {
			continue
		}
		by := []string{"do_filp_open", "do_file_open"}
		if e == -int64(unix.EMFILE) {
			by = []string{"get_unused_fd_flags", "__get_unused_fd_flags", "alloc_fd"}
		}
		if !slices.Contains(by, d.Returned) || d.Value == nil || int64(int32(*d.Value)) != e || !d.Apart {
			t.Errorf("%s: %+v, want it by what %s returned, apart from others", ktrap.ErrorName(e), d, by)
		}
	}
}

// In path_openat each has a branch of its own.
func TestAWayThroughALargeFunctionShowsTheBranchThatDecidedIt(t *testing.T) {
	if os.Getenv("KTRAP_DEEP") == "" {
		t.Skip("needs -deep: some 250 probes")
	}
	calls := failingOpens(t, ktrap.Path{Func: "path_openat", If: "err < 0"})
	for _, e := range refused[:3] {
		decision(t, calls, e)
	}
}

// Followed to where it began, an error is one of a function that called nobody to come
// by it.
func TestAnErrorIsFollowedToWhereItBegan(t *testing.T) {
	if os.Getenv("KTRAP_DEEP") == "" {
		t.Skip("needs -deep: a thousand probes")
	}
	calls := failingOpens(t, ktrap.Path{Func: "do_sys_openat2", If: "err < 0", Depth: 3})
	by := map[string]int64{}
	for _, e := range refused {
		d := decision(t, calls, e)
		for ; d != nil && d.Inner != nil; d = d.Inner {
		}
		if d == nil {
			continue
		}
		if d.Func == "do_sys_openat2" {
			t.Errorf("%s is followed nowhere", ktrap.ErrorName(e))
		}
		branch := fmt.Sprintf("%s+%#x to +%#x", d.Func, d.Offset, d.To)
		if other, taken := by[branch]; taken {
			t.Errorf("%s and %s are decided by the same branch, %s", ktrap.ErrorName(e), ktrap.ErrorName(other), branch)
		}
		by[branch] = e
	}
}

// failingOpens are the calls of a function while opens fail.
func failingOpens(t *testing.T, p ktrap.Path) []*ktrap.PathCall {
	p.Under = uint32(os.Getpid())
	calls, counts := ways(t, p, func() {
		for range 3 { // hits of one may be missed
			failing(t)
		}
	})
	if counts.Broken > counts.Missed || counts.Lost > 0 {
		t.Errorf("%+v", counts)
	}
	return calls
}

// decision is what decided the calls that failed with e.
func decision(t *testing.T, calls []*ktrap.PathCall, e int64) *ktrap.Decision {
	t.Helper()
	var last *ktrap.Decision
	for _, c := range calls {
		if c.Wanted && c.Error == e {
			last = c.Decided
		}
	}
	if last == nil {
		t.Errorf("%s: no call, or no branch decided it", ktrap.ErrorName(e))
	}
	for d := last; d != nil; d = d.Inner {
		t.Logf("%s at %s+%#x: %s; returned by %s", ktrap.ErrorName(e), d.Func, d.Offset, d.Text, d.Returned)
	}
	return last
}

// Each way that is shown is one that the flow of control allows: what isn't is counted
// as broken, and nothing may be, unless the kernel says that it missed hits.
func TestEveryWayUnderLoadIsAWayOfTheFunction(t *testing.T) {
	functions, long := []string{"vfs_read"}, time.Second
	if os.Getenv("KTRAP_DEEP") != "" {
		functions, long = append(functions, "do_sys_openat2", "unix_stream_connect", "tcp_sendmsg_locked", "path_openat"), 5*time.Second
	}
	for _, name := range functions {
		t.Run(name, func(t *testing.T) {
			calls, counts := ways(t, ktrap.Path{Func: name, Diff: true}, func() { busy(t, long) })
			if len(calls) == 0 {
				t.Error("no call was seen")
			}
			if counts.Broken > counts.Missed {
				t.Errorf("%+v", counts)
			}
			taken := map[string]bool{}
			for _, c := range calls {
				for i, b := range c.Blocks[1:] {
					taken[fmt.Sprint(c.Blocks[i].Block, b.Block)] = true
				}
			}
			t.Logf("%d calls, %d edges, %+v", len(calls), len(taken), counts)
		})
	}
}

// busy opens, reads, connects and sends, from two threads, for some time.
func busy(t *testing.T, long time.Duration) {
	dir := t.TempDir()
	end := time.Now().Add(long)
	var threads sync.WaitGroup
	for n := range 2 {
		threads.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				readAndFail(dir, n)
				talk(t, "unix", filepath.Join(dir, fmt.Sprint("socket", n, i)))
				talk(t, "tcp", "127.0.0.1:0")
			}
		})
	}
	threads.Wait()
}

func readAndFail(dir string, n int) {
	name := filepath.Join(dir, fmt.Sprint("file", n))
	_ = os.WriteFile(name, make([]byte, 10_000), 0o600)
	_, _ = os.ReadFile(name)
	_, _ = os.Open(name + "/nowhere")
	_, _ = os.ReadFile("/proc/self/stat")
	_, _ = net.Dial("unix", name)
}

func talk(t *testing.T, network, addr string) {
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	c, err := net.Dial(network, l.Addr().String())
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = c.Write(make([]byte, 5_000))
	c.Close()
}
