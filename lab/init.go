package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Init does the work of a machine's first process and never returns, if this
// is that process; else it returns at once. A program that boots itself (see
// Config.Init) calls it before anything else.
func Init() {
	if os.Getpid() != 1 {
		return
	}
	settings, err := os.ReadFile(boxPath)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = boot(settings)
	}
	fmt.Fprintf(os.Stderr, "ktrap lab: %v\n", err)
	time.Sleep(100 * time.Millisecond) // the serial port is slower than the power switch
	unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

// boot makes a machine of a bare kernel and serves it until the host is gone.
func boot(settings []byte) error {
	var box box
	if err := json.Unmarshal(settings, &box); err != nil {
		return fmt.Errorf("read %s: %w", boxPath, err)
	}
	for _, m := range mounts {
		if err := m.mount(); err != nil {
			fmt.Fprintf(os.Stderr, "ktrap lab: %v\n", err)
		}
	}
	for _, dir := range []string{"/tmp", "/run"} { // no mounts: they may hold files of the host
		os.MkdirAll(dir, 0o755)
		os.Chmod(dir, 0o777|os.ModeSticky)
	}
	for _, path := range box.Modules {
		if err := loadModule(path); err != nil {
			return err
		}
	}
	if err := loopbackUp(); err != nil {
		return err
	}
	os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	os.Setenv("HOME", "/")
	port, err := openPort()
	if err != nil {
		return err
	}
	return newNursery().serve(port)
}

type mount struct{ kind, at, options string }

// The first ones must be there; the others are as the kernel was built.
var mounts = []mount{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", ""},
	{"devpts", "/dev/pts", ""},
	{"tmpfs", "/dev/shm", ""},
	{"tracefs", "/sys/kernel/tracing", ""},
	{"debugfs", "/sys/kernel/debug", ""},
	{"securityfs", "/sys/kernel/security", ""},
	{"bpf", "/sys/fs/bpf", ""},
	{"cgroup2", "/sys/fs/cgroup", ""},
}

// mount does nothing for a file system that the kernel does not have.
func (m mount) mount() error {
	os.MkdirAll(m.at, 0o755)
	err := unix.Mount(m.kind, m.at, m.kind, 0, m.options)
	if err != nil && err != unix.ENODEV {
		return fmt.Errorf("mount %s on %s: %w", m.kind, m.at, err)
	}
	return nil
}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = unix.FinitModule(int(f.Fd()), "", 0)
	if err != nil && err != unix.EEXIST {
		return fmt.Errorf("load module %s: %w", path, err)
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}

// openPort waits for the driver, which finds its ports in its own time.
func openPort() (*os.File, error) {
	const pattern = "/dev/vport*p1"
	for range 1000 {
		if found, _ := filepath.Glob(pattern); len(found) == 1 {
			return os.OpenFile(found[0], os.O_RDWR, 0)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, errors.New("no virtio port came up: the kernel needs virtio_console and virtio_pci")
}
