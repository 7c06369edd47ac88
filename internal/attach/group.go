package attach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"ktrap/internal/kernel"
	"ktrap/internal/tracefs"
)

// Group is the tracefs events of one session, and its trace buffer if it has
// one. They do not go away with the process, as all else does that it arms: if
// it is killed, its guard removes them, else whoever opens the next group.
type Group struct {
	dir   string // where tracefs is
	name  string
	made  int // how many events
	guard *exec.Cmd
	alive *os.File // while the guard can read on, this process lives
	// released tells that the guard removes the group: see Removal.
	released bool
	left     int // places of events that nobody wants and the guard is to remove
}

// OpenGroup begins an empty group. The command guard is started with the group's
// name as its last argument and is to call Guard; without one there is none.
func OpenGroup(guard []string) (*Group, error) {
	dir, err := kernel.Tracefs()
	if err != nil {
		return nil, err
	}
	sweep(dir)
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return nil, fmt.Errorf("read the time since the boot: %w", err)
	}
	g := &Group{dir: dir, name: tracefs.Owner{PID: os.Getpid(), Made: uint64(now.Nano())}.String()}
	if len(guard) > 0 {
		if err := g.watch(guard); err != nil {
			return nil, fmt.Errorf("start the guard of tracefs events: %w", err)
		}
	}
	return g, nil
}

// watch starts the guard in a session of its own, so that no key on the terminal
// reaches it.
func (g *Group) watch(guard []string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	g.guard = exec.Command(guard[0], append(slices.Clone(guard[1:]), g.name)...)
	g.guard.Stdin, g.guard.Dir = r, "/"
	g.guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := g.guard.Start(); err != nil {
		return errors.Join(err, w.Close())
	}
	g.alive = w
	return nil
}

// Close removes what is left of the group, and waits for the guard to end.
func (g *Group) Close() error {
	if g.released {
		return nil
	}
	err := remove(g.dir, g.name)
	if g.guard != nil {
		err = errors.Join(err, g.alive.Close(), g.guard.Wait())
	}
	return err
}

// guarding is the name of a guard's process.
const guarding = "guard-probes"

// patience is how long a guard tries: what dies may hold on to its events until
// the last of its threads is gone.
const patience = 10 * time.Second

// Guard removes the group of that name when alive ends, which is when the
// process that made the group closed its end of it or died.
//
// The same command closes what it is started with where name says so: see Removal.
func Guard(name string, alive io.Reader) error {
	if number, ok := strings.CutPrefix(name, removing); ok {
		return remover(number)
	}
	if _, ours := tracefs.ParseOwner(name); !ours {
		return fmt.Errorf("guard: %q is no group of ours", name)
	}
	withdraw(guarding)
	dir, err := kernel.Tracefs()
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	if _, err := io.Copy(io.Discard, alive); err != nil {
		return fmt.Errorf("guard: wait for the end of the process: %w", err)
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if err = remove(dir, name); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// remove removes a group that nobody uses, with its trace buffer. The kernel
// itself refuses it while somebody does.
func remove(dir, name string) error {
	err := unix.Rmdir(filepath.Join(dir, "instances", name))
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove the trace buffer %s: %w", name, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "kprobe_events"))
	if err != nil {
		return fmt.Errorf("list the kprobe events: %w", err)
	}
	var errs []error
	for _, event := range tracefs.GroupEvents(string(text), name) {
		errs = append(errs, command(dir, "-:"+name+"/"+event))
	}
	return errors.Join(errs...)
}

// sweep removes the groups whose process is dead and had no guard, or lost it.
// What it can't remove is in nobody's way.
func sweep(dir string) {
	text, _ := os.ReadFile(filepath.Join(dir, "kprobe_events"))
	names := tracefs.Groups(string(text))
	buffers, _ := os.ReadDir(filepath.Join(dir, "instances"))
	for _, b := range buffers {
		names = append(names, b.Name())
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if owner, ours := tracefs.ParseOwner(name); ours && !lives(owner) {
			_ = remove(dir, name)
		}
	}
}

func lives(o tracefs.Owner) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", o.PID))
	return err == nil && o.Lives(string(stat))
}

// commands opens kprobe_events to be given lines. The file must not be truncated:
// that would remove everybody's events.
func commands(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "kprobe_events"), os.O_WRONLY|os.O_APPEND, 0)
}

// command gives kprobe_events one line.
func command(dir, line string) error {
	f, err := commands(dir)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return errors.Join(err, f.Close())
}

// event is one event of a group.
type event struct {
	name   string // "" for none. It holds the group's, as counts are kept by it alone
	format tracefs.Format
	used   bool // it was enabled once
}

// calls is how many calls of a function at once a return is watched of. The
// kernel's own choice may be as low as the number of CPUs, and misses what sleeps.
const calls = 256

// define makes an event, disabled.
func (g *Group) define(ret bool, addr uint64, args []string) (*event, error) {
	e, _, err := g.defineAll(context.Background(), ret, []string{fmt.Sprintf("%#x", addr)}, args)
	return e, err
}

// places are addresses for an event of several. Given a symbol, the kernel looks it up
// anew for each, in all modules as well. Two raw addresses it takes for the same place,
// unless something that they record differs: so each records its number.
func places(addrs []uint64) (all []string) {
	for n, addr := range addrs {
		all = append(all, fmt.Sprintf("%#x n=\\%d", addr, n))
	}
	return all
}

// defineAll makes an event of several places (5.5: ca89bc071d5e), disabled. If the
// kernel refuses one, or ctx is done, it is told which, and nothing stays.
func (g *Group) defineAll(ctx context.Context, ret bool, places, args []string) (e *event, refused int, err error) {
	kind := "p"
	if ret {
		kind = fmt.Sprintf("r%d", calls)
	}
	g.made++
	e = &event{name: fmt.Sprintf("%s_%d", g.name, g.made)}
	f, err := commands(g.dir)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	for i, place := range places {
		err := ctx.Err()
		if err == nil {
			_, err = fmt.Fprintf(f, "%s:%s/%s %s %s\n", kind, g.name, e.name, place, strings.Join(args, " "))
		}
		if err != nil {
			switch {
			case ctx.Err() != nil && g.guard != nil:
				g.left += i
			case i > 0:
				err = errors.Join(err, g.undefine(e))
			}
			return nil, i, err
		}
	}
	e.format, err = readFormat(filepath.Join(g.dir, "events", g.name, e.name))
	return e, 0, err
}

func readFormat(event string) (tracefs.Format, error) {
	text, err := os.ReadFile(filepath.Join(event, "format"))
	if err != nil {
		return tracefs.Format{}, err
	}
	return tracefs.ParseFormat(string(text))
}

// undefine removes an event that nobody uses.
func (g *Group) undefine(e *event) error {
	if err := command(g.dir, "-:"+g.name+"/"+e.name); err != nil {
		return fmt.Errorf("remove the event %s: %w", e.name, err)
	}
	return nil
}

// profile is what the kernel has counted of each event since it was defined.
func (g *Group) profile() (tracefs.Profile, error) {
	p, err := g.openProfile()
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.read()
}

// counts is the kernel's profile of events, open: to open it runs through more of the
// kernel than to read it again.
type counts struct{ *os.File }

func (g *Group) openProfile() (counts, error) {
	f, err := os.Open(filepath.Join(g.dir, "kprobe_profile"))
	if err != nil {
		return counts{}, fmt.Errorf("read what the kernel counts of events: %w", err)
	}
	return counts{f}, nil
}

func (c counts) read() (tracefs.Profile, error) {
	const most = 64 << 20
	text, err := io.ReadAll(io.NewSectionReader(c, 0, most))
	if err != nil {
		return nil, fmt.Errorf("read what the kernel counts of events: %w", err)
	}
	return tracefs.ParseProfile(string(text)), nil
}
