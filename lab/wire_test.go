package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reaper is the only one of this process: two would take each other's children.
var reaper = sync.OnceValue(newNursery)

// served returns a machine that is this process: host and guest without a
// kernel between them.
func served(t *testing.T) *VM {
	t.Helper()
	near, far := net.Pipe()
	go reaper().serve(far)
	vm := &VM{qemu: &qemu{port: near, console: &console{}, ended: make(chan struct{})}}
	if err := vm.greet(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vm.session.Close() })
	return vm
}

func TestACommandsStreamsAndExitCodeComeBack(t *testing.T) {
	vm := served(t)
	for _, c := range []struct {
		script, in, out, errs string
		exit                  int
	}{
		{"exit 7", "", "", "", 7},
		{"cat; echo oops >&2", "a\x00b\r\n", "a\x00b\r\n", "oops\n", 0},
		{"kill -TERM $$", "", "", "", 128 + 15},
		{"exec </dev/null; sleep 0.1; echo late", "unread", "late\n", "", 0},
		{"(sleep 0.2; echo child) &", "", "child\n", "", 0},
	} {
		var out, errs bytes.Buffer
		exit, err := vm.Run(t.Context(), Cmd{Args: []string{"sh", "-c", c.script},
			Stdin: strings.NewReader(c.in), Stdout: &out, Stderr: &errs})
		if exit != c.exit || err != nil || out.String() != c.out || errs.String() != c.errs {
			t.Errorf("%s: got %d, %v, %q, %q", c.script, exit, err, &out, &errs)
		}
	}
}

func TestAMissingCommandIsExit127WithAReason(t *testing.T) {
	exit, err := served(t).Run(t.Context(), Cmd{Args: []string{"no-such-command"}})
	if exit != 127 || err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("got %d, %v", exit, err)
	}
}

func TestALargeOutputArrivesWhole(t *testing.T) {
	var out counter
	exit, err := served(t).Run(t.Context(), Cmd{Args: []string{"head", "-c", "50000000", "/dev/zero"}, Stdout: &out})
	if exit != 0 || err != nil || out != 50_000_000 {
		t.Errorf("got %d bytes, exit %d, %v", out, exit, err)
	}
}

type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func TestAnUnreadOutputHoldsUpNoOtherCommand(t *testing.T) {
	vm := served(t)
	ctx, cancel := context.WithCancel(t.Context())
	unread, stuck := io.Pipe()
	defer unread.Close()
	ended := make(chan error)
	go func() {
		_, err := vm.Run(ctx, Cmd{Args: []string{"head", "-c", "50000000", "/dev/zero"}, Stdout: stuck})
		ended <- err
	}()
	if exit, err := vm.Run(t.Context(), Cmd{Args: []string{"true"}}); exit != 0 || err != nil {
		t.Errorf("the other command: %d, %v", exit, err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestAClosedOutputEndsTheCommand(t *testing.T) {
	closed, write := io.Pipe()
	closed.Close()
	exit, err := served(t).Run(t.Context(), Cmd{Args: []string{"cat", "/dev/zero"}, Stdout: write})
	if exit != 128+int(unix.SIGPIPE) || err != nil {
		t.Errorf("got %d, %v; want the signal of a closed pipe", exit, err)
	}
}

func TestASignalReachesTheProcessGroup(t *testing.T) {
	signals := make(chan os.Signal, 1)
	var out sent
	out.to = func() { signals <- unix.SIGINT }
	exit, err := served(t).Run(t.Context(), Cmd{Signals: signals, Stdout: &out,
		Args: []string{"sh", "-c", "trap 'exit 9' INT; echo ready; sleep 60"}})
	if exit != 9 || err != nil {
		t.Errorf("got %d, %v; want 9", exit, err)
	}
}

// sent calls to when something is written.
type sent struct{ to func() }

func (s *sent) Write(p []byte) (int, error) {
	s.to()
	return len(p), nil
}

func TestAMachineThatEndsIsReportedWithItsConsole(t *testing.T) {
	vm := served(t)
	io.WriteString(vm.qemu.console, "one\r\ntwo\r\n")
	time.AfterFunc(100*time.Millisecond, func() {
		close(vm.qemu.ended)
		vm.qemu.port.Close()
	})
	_, err := vm.Run(t.Context(), Cmd{Args: []string{"sleep", "5"}})
	const want = "run sleep 5: the machine ended; its console:\n  | one\n  | two"
	var dead *DeadError
	if !errors.Is(err, ErrEnded) || !errors.As(err, &dead) || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestTheConsoleIsReportedFromTheFirstComplaintOn(t *testing.T) {
	old := strings.Repeat("old\n", consoleKept)
	for _, c := range []struct{ said, panicked, text string }{
		{old + "new\n", "", strings.Repeat("old\n", 29) + "new"},
		{old + "Oops: 0002\nRIP\nKernel panic - not syncing: Fatal exception\nOffset\n", "Fatal exception",
			"Oops: 0002\nRIP\nKernel panic - not syncing: Fatal exception\nOffset"},
		{"", "", ""},
	} {
		var console console
		io.WriteString(&console, c.said)
		panicked, text := console.report()
		if panicked != c.panicked || text != c.text || len(console.end) > consoleKept {
			t.Errorf("got %q, %q; want %q, %q", panicked, text, c.panicked, c.text)
		}
	}
}
