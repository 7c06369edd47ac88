package lab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// loads start what a thread of a load needs; end undoes that.
var loads = map[string]func() (operate func() error, end func(), err error){
	"unix":  startUnix,
	"tcp":   startTCP,
	"files": startFiles,
	"fork":  startFork,
	"umask": startUmask,
}

func startUnix() (func() error, func(), error) {
	dir, err := os.MkdirTemp("", "ktrap-unix-")
	if err != nil {
		return nil, nil, err
	}
	operate, end, err := startEcho("unix", filepath.Join(dir, "socket"))
	if err != nil {
		os.RemoveAll(dir)
		return nil, nil, err
	}
	return operate, func() { end(); os.RemoveAll(dir) }, nil
}

func startTCP() (func() error, func(), error) { return startEcho("tcp", "127.0.0.1:0") }

// startEcho needs no second thread: a connection waits to be accepted.
func startEcho(network, address string) (func() error, func(), error) {
	l, err := net.Listen(network, address)
	if err != nil {
		return nil, nil, err
	}
	operate := func() error {
		client, err := net.Dial(network, l.Addr().String())
		if err != nil {
			return err
		}
		defer client.Close()
		server, err := l.Accept()
		if err != nil {
			return err
		}
		defer server.Close()
		return errors.Join(exchange(client, server), exchange(server, client))
	}
	return operate, func() { l.Close() }, nil
}

func exchange(from, to net.Conn) error {
	word := []byte("hello")
	if _, err := from.Write(word); err != nil {
		return err
	}
	_, err := io.ReadFull(to, word)
	return err
}

func startFiles() (func() error, func(), error) {
	dir, err := os.MkdirTemp("", "ktrap-files-")
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, "file")
	operate := func() error {
		if err := os.WriteFile(path, []byte("hello"), 0o644); err != nil {
			return err
		}
		if _, err := os.ReadFile(path); err != nil {
			return err
		}
		if err := os.Rename(path, path+"2"); err != nil {
			return err
		}
		if _, err := os.Stat(path + "2"); err != nil {
			return err
		}
		if _, err := os.Open(path); err == nil {
			return fmt.Errorf("%s is still there after its rename", path)
		}
		return os.Remove(path + "2")
	}
	return operate, func() { os.RemoveAll(dir) }, nil
}

// startFork starts this program under the load's name, for the kernel takes a
// program's comm from its file.
func startFork() (func() error, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "ktrap-fork-")
	if err != nil {
		return nil, nil, err
	}
	end := func() { os.RemoveAll(dir) }
	program := filepath.Join(dir, "ktrap-fork")
	if err := os.Symlink(self, program); err != nil {
		end()
		return nil, nil, err
	}
	operate := func() error {
		p, err := os.StartProcess(program, []string{program, "--help"}, &os.ProcAttr{})
		if err != nil {
			return err
		}
		_, err = p.Wait()
		return err
	}
	return operate, end, nil
}

func startUmask() (func() error, func(), error) {
	operate := func() error {
		unix.Umask(0o022)
		return nil
	}
	return operate, func() {}, nil
}
