package attach

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"ktrap/internal/tracefs"
)

// Removal is another process that detaches what this one leaves behind: it has got
// all that is armed hangs on, so that to close it here takes no time. Behind it the
// guard of the tracefs events removes those.
type Removal struct {
	PID    int
	Probes int // how many it has to remove

	fds   []fd // in the order in which they are to be closed
	ended chan struct{}
}

// Leave leaves every point to r, disarmed; the counts stay readable. It must be
// followed by r.Start.
func (s *Set) Leave(r *Removal) error {
	if s.job.Events != nil && s.job.Events.guard == nil {
		return s.Detach() // nobody else would remove the events
	}
	var err error
	for _, h := range slices.Backward(s.hooks) {
		err = errors.Join(err, h.leave(r))
	}
	return err
}

func (h *hook) leave(r *Removal) (err error) {
	if len(h.links) == 0 {
		return h.close()
	}
	h.account()
	for _, link := range slices.Backward(h.links) {
		r.fds = append(r.fds, link)
	}
	r.Probes += len(h.points)
	h.links = nil
	if h.counted != nil {
		err, h.counted = h.counted.table.Close(), nil
	}
	return err
}

// Leave detaches every point itself: what tracefs alone arms hangs on nothing.
func (s *EventSet) Leave(*Removal) error { return s.Detach() }

// removing is what begins the last argument of the command that removes; the number
// of what it is to close follows.
const removing = "remove:"

// Start starts the process. The command is that of the guards, whatever g, which may
// be nil, has left; the guard of g begins behind it. If it can't be started, all is
// detached here.
func (r *Removal) Start(command []string, g *Group) error {
	r.ended = make(chan struct{})
	defer func() { r.fds = nil }()
	if g != nil && g.guard != nil { // it removes what is left, also where nothing is armed
		r.PID, r.Probes = g.guard.Process.Pid, r.Probes+g.left
	}
	if r.Probes == 0 {
		close(r.ended)
		return nil
	}
	begun := error(nil)
	if len(r.fds) > 0 {
		begun = r.start(command, g)
	}
	var errs []error
	for _, fd := range r.fds {
		errs = append(errs, fd.Close())
	}
	if begun != nil {
		close(r.ended)
		return errors.Join(fmt.Errorf("start what removes probes in the background: %w", begun), errors.Join(errs...))
	}
	go r.reap(g.release())
	return errors.Join(errs...)
}

func (r *Removal) start(command []string, g *Group) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd()} // whoever reads our output shall not wait
	for _, fd := range r.fds {
		files = append(files, uintptr(fd))
	}
	if g != nil && g.guard != nil {
		files = append(files, g.alive.Fd())
	}
	args := append(slices.Clone(command), removing+strconv.Itoa(len(files)-3))
	r.PID, err = syscall.ForkExec(path, args, &syscall.ProcAttr{Dir: "/", Env: os.Environ(), Files: files, Sys: &syscall.SysProcAttr{Setsid: true}})
	return err
}

// release gives up the group for its guard to remove, when what removes probes, too,
// has closed what it has of the group.
func (g *Group) release() *exec.Cmd {
	if g == nil || g.guard == nil {
		return nil
	}
	g.released = true
	_ = g.alive.Close() // a pipe's end
	return g.guard
}

// reap waits for both processes.
func (r *Removal) reap(guard *exec.Cmd) {
	defer close(r.ended)
	for {
		if _, err := unix.Wait4(r.PID, nil, 0, nil); err != unix.EINTR {
			break
		}
	}
	if guard != nil {
		_ = guard.Wait()
	}
}

// Wait waits until everything is removed, or ctx is done.
func (r *Removal) Wait(ctx context.Context) error {
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// remover closes the descriptors that it was started with, in their order.
func remover(number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return fmt.Errorf("guard: %q is no number of descriptors", number)
	}
	withdraw("remove-probes")
	var errs []error
	for i := range n {
		errs = append(errs, unix.Close(3+i))
	}
	return errors.Join(errs...)
}

// withdraw lets no signal of a terminal or shell end this process, and gives it a
// name: who kills ktrap by its name means the other process.
func withdraw(name string) {
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0) // nothing depends on it
}

// Guards are the processes that remove the tracefs events of sessions that ended, by
// the group's name.
func Guards() map[string]int {
	guards := map[string]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if strings.TrimSpace(string(comm)) != guarding {
			continue
		}
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		name := args[len(args)-1]
		if owner, ours := tracefs.ParseOwner(name); ours && !lives(owner) {
			guards[name] = pid
		}
	}
	return guards
}
