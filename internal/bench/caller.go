package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// caller makes the kernel call the functions that twins stand at. It is a thread
// named bash, its file is named history: names that a twin looks for.
type caller struct {
	folder string
	file   *os.File
	server net.Listener
	socket int // connected to the server
}

func newCaller() (c *caller, err error) {
	runtime.LockOSThread()
	if err := os.WriteFile("/proc/thread-self/comm", []byte("bash"), 0); err != nil {
		return nil, err
	}
	c = &caller{socket: -1}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.folder, err = os.MkdirTemp("", "bench-"); err != nil {
		return c, err
	}
	if c.file, err = os.Create(filepath.Join(c.folder, "history")); err != nil {
		return c, err
	}
	if _, err := c.file.Write(make([]byte, 1<<maxShift)); err != nil {
		return c, err
	}
	if c.server, err = net.Listen("tcp4", "127.0.0.1:0"); err != nil {
		return c, err
	}
	go c.serve()
	c.socket, err = c.connect()
	return c, err
}

func (c *caller) serve() {
	for {
		conn, err := c.server.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for buf := make([]byte, 1<<maxShift); err == nil; {
				_, err = conn.Read(buf)
			}
		}()
	}
}

func (c *caller) connect() (int, error) {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, err
	}
	to := &unix.SockaddrInet4{Port: c.server.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Connect(s, to); err != nil {
		unix.Close(s)
		return -1, err
	}
	return s, nil
}

// maxShift bounds the sizes of what is read and written: 1 << maxShift.
const maxShift = 12

// call makes n calls of a function, with arguments that vary.
func (c *caller) call(function string, n int) (err error) {
	buf := make([]byte, 1<<maxShift)
	for i := range n {
		part := buf[:1<<(i%(maxShift+1))]
		switch function {
		case "vfs_read":
			_, err = unix.Pread(int(c.file.Fd()), part, 0)
		case "vfs_write":
			_, err = unix.Pwrite(int(c.file.Fd()), part, 0)
		case "tcp_sendmsg":
			_, err = unix.Write(c.socket, part)
		case "tcp_connect":
			var s int
			if s, err = c.connect(); err == nil {
				err = unix.Close(s)
			}
		case "sock_poll":
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(c.socket), Events: unix.POLLOUT}}, 0)
		default:
			err = fmt.Errorf("nobody knows how to call %s", function)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *caller) close() error {
	var errs [4]error
	if c.socket >= 0 {
		errs[0] = unix.Close(c.socket)
	}
	if c.server != nil {
		errs[1] = c.server.Close()
	}
	if c.file != nil {
		errs[2] = c.file.Close()
	}
	errs[3] = os.RemoveAll(c.folder)
	return errors.Join(errs[:]...)
}
