package lab

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"
)

// serve runs the host's commands until the host is gone.
func (n *nursery) serve(port io.ReadWriteCloser) error {
	if _, err := port.Write([]byte{hello}); err != nil {
		return err
	}
	config := wireConfig()
	config.EnableKeepAlive = false // the host watches us, not we the host
	config.ConnectionWriteTimeout = time.Hour
	session, err := yamux.Server(port, config)
	if err != nil {
		return err
	}
	for {
		var s streams
		for i := range s {
			if s[i], err = session.AcceptStream(); err != nil {
				return err
			}
		}
		go n.command(s)
	}
}

// command carries out one order.
func (n *nursery) command(s streams) {
	defer s.close()
	messages := json.NewDecoder(s[0])
	var o order
	if err := messages.Decode(&o); err != nil {
		return
	}
	send(s[0], n.obey(o, messages, s))
}

// exitNotFound is what shells return for a program that is not there.
const exitNotFound = 127

// obey starts the command and returns when it has ended and its output is with
// the host.
func (n *nursery) obey(o order, messages *json.Decoder, s streams) verdict {
	var p pipes
	defer p.close()
	child, err := n.spawn(o, &p)
	if err != nil {
		return verdict{Exit: exitNotFound, Error: err.Error()}
	}
	go func() {
		io.Copy(p.ours[0], s[1])
		p.ours[0].Close()
		s[1].Close()
	}()
	go child.forward(messages)
	var output sync.WaitGroup
	output.Go(func() { pump(s[2], p.ours[1]) })
	output.Go(func() { pump(s[3], p.ours[2]) })
	status := <-child.status
	output.Wait()
	if status.Signaled() {
		return verdict{Exit: 128 + int(status.Signal())}
	}
	return verdict{Exit: status.ExitStatus()}
}

// spawn starts the command between three pipes.
func (n *nursery) spawn(o order, p *pipes) (*child, error) {
	path, err := exec.LookPath(o.Args[0])
	if err != nil {
		return nil, err
	}
	if err := p.open(); err != nil {
		return nil, err
	}
	defer closeAll(p.theirs[:])
	return n.start(path, o.Args, &os.ProcAttr{
		Dir: o.Dir, Env: append(os.Environ(), o.Env...), Files: p.theirs[:],
		Sys: &unix.SysProcAttr{Setpgid: true},
	})
}

// pump copies a command's output to the host; where the host reads no more,
// the command gets the signal of a closed pipe.
func pump(to *yamux.Stream, from *os.File) {
	io.Copy(to, from)
	from.Close()
	to.Close()
}

// pipes are the ends of a command's stdin, stdout and stderr.
type pipes struct{ theirs, ours [3]*os.File }

func (p *pipes) open() error {
	for i := range p.ours {
		reader, writer, err := os.Pipe()
		if err != nil {
			return err
		}
		p.theirs[i], p.ours[i] = writer, reader
		if i == 0 {
			p.theirs[i], p.ours[i] = reader, writer
		}
	}
	return nil
}

func (p *pipes) close() {
	closeAll(p.theirs[:])
	closeAll(p.ours[:])
}

// closeAll closes what is open of files; the others are nil or closed.
func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

// nursery starts processes and waits for every process of the machine: its
// own by name, those that lost their parent by chance.
type nursery struct {
	mu       sync.Mutex
	children map[int]*child
}

type child struct {
	pid    int
	status chan unix.WaitStatus
}

func newNursery() *nursery {
	n := &nursery{children: map[int]*child{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	go func() {
		for range ended {
			n.reap()
		}
	}()
	return n
}

// start holds the lock over the whole start, so that a child that ends at once
// is known before it is reaped.
func (n *nursery) start(path string, args []string, attr *os.ProcAttr) (*child, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	process, err := os.StartProcess(path, args, attr)
	if err != nil {
		return nil, err
	}
	c := &child{pid: process.Pid, status: make(chan unix.WaitStatus, 1)}
	n.children[c.pid] = c
	process.Release()
	return c, nil
}

func (n *nursery) reap() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err != nil && err != unix.EINTR || pid == 0 {
			return
		}
		if c := n.children[pid]; c != nil {
			delete(n.children, pid)
			c.status <- status
		}
	}
}

// forward passes the host's signals to the command's process group. A host
// that is gone needs the command no more.
func (c *child) forward(messages *json.Decoder) {
	for {
		var sig unix.Signal
		if err := messages.Decode(&sig); err != nil {
			return
		}
		unix.Kill(-c.pid, sig)
	}
}
