//go:build live

package ktrap_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ktrap"
)

// failing opens a file that is there and, as another user, files that can't be opened:
// the errors that it met. At most two calls of each.
func failing(t *testing.T) (met []int64) {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	secret, loop := filepath.Join(dir, "secret"), filepath.Join(dir, "loop")
	must(t, os.WriteFile(secret, nil, 0o600))
	must(t, os.Symlink(loop, loop))
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock: the thread ends with the rights that it lost
		unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534)
		for _, name := range []string{dir, filepath.Join(dir, "missing"), secret, loop} {
			met = append(met, try(name))
		}
	}()
	<-done
	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	none := unix.Rlimit{Cur: 3, Max: limit.Max}
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &none))
	met = append(met, try(dir))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	return met
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
	s := open(t)
	w, err := s.Path(t.Context(), p)
	if err != nil {
		t.Skip("needs the function: ", err)
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
	var met []int64
	calls, counts := ways(t, ktrap.Path{Func: "do_sys_openat2", If: "err == -ENOENT || err == -EACCES || err == -ELOOP || err == -EMFILE", PID: uint32(os.Getpid())},
		func() { met = failing(t) })
	if want := []int64{0, -2, -13, -40, -24}; !slices.Equal(met, want) {
		t.Fatalf("met the errors %v, want %v", met, want)
	}
	if counts.Broken > 0 || counts.Lost > 0 {
		t.Errorf("%+v", counts)
	}
	for _, e := range met[1:] {
		i := slices.IndexFunc(calls, func(c *ktrap.PathCall) bool { return c.Wanted && c.Error == e })
		if i < 0 || calls[i].Decided == nil {
			t.Errorf("%s: no call, or no branch decided it", ktrap.ErrorName(e))
			continue
		}
		d := calls[i].Decided
		by := "do_filp_open"
		if e == -24 {
			by = "get_unused_fd_flags"
		}
		if !strings.Contains(d.Returned, by) || d.Value == nil || int64(int32(*d.Value)) != e || !d.Apart {
			t.Errorf("%s: %+v, want it by what %s returned, apart from others", ktrap.ErrorName(e), d, by)
		}
		t.Logf("%s at +%#x: %s", ktrap.ErrorName(e), d.Offset, d.Text)
	}
}

// Of path_openat each error but EMFILE has a branch of its own, or one on what a
// function returned.
func TestAWayThroughALargeFunctionShowsTheBranchThatDecidedIt(t *testing.T) {
	if os.Getenv("KTRAP_DEEP") == "" {
		t.Skip("needs -deep: some 250 probes")
	}
	var met []int64
	calls, counts := ways(t, ktrap.Path{Func: "path_openat", If: "err < 0", PID: uint32(os.Getpid())}, func() { met = failing(t) })
	if counts.Broken > 0 || counts.Lost > 0 {
		t.Errorf("%+v", counts)
	}
	for _, e := range met[1:4] {
		i := slices.IndexFunc(calls, func(c *ktrap.PathCall) bool { return c.Wanted && c.Error == e })
		if i < 0 || calls[i].Decided == nil {
			t.Errorf("%s: no call, or no branch decided it", ktrap.ErrorName(e))
			continue
		}
		t.Logf("%s: %+v", ktrap.ErrorName(e), *calls[i].Decided)
	}
}

// Each way that is shown is one that the flow of control allows: what isn't is counted
// as broken, and nothing may be, unless the kernel says that it missed hits.
func TestEveryWayUnderLoadIsAWayOfTheFunction(t *testing.T) {
	functions := []string{"do_sys_openat2", "vfs_read"}
	if os.Getenv("KTRAP_DEEP") != "" {
		functions = append(functions, "unix_stream_connect", "tcp_sendmsg_locked", "path_openat")
	}
	for _, name := range functions {
		t.Run(name, func(t *testing.T) {
			calls, counts := ways(t, ktrap.Path{Func: name, Diff: true}, func() { busy(t, 2*time.Second) })
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
	_, _ = c.Write(make([]byte, 70_000))
	c.Close()
}
