package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNoQEMU reports that there is no emulator on this machine.
var ErrNoQEMU = errors.New("no emulator on this machine")

// qemu is one running emulator.
type qemu struct {
	port    net.Conn // the guest's virtio port
	console *console
	process *os.Process
	ended   chan struct{}
}

// startQEMU starts a machine. The emulator dies with this process, even when
// that is killed.
func startQEMU(cfg Config, kernel Kernel, disk *os.File) (*qemu, error) {
	m := machines[kernel.Arch]
	path, err := exec.LookPath(m.emulator)
	if err != nil {
		return nil, fmt.Errorf("%w: apt-get install %s brings %s", ErrNoQEMU, m.install, m.emulator)
	}
	accel, err := accelerator(cfg.Accel, kernel.Arch)
	if err != nil {
		return nil, err
	}
	port, far, err := portPair()
	if err != nil {
		return nil, fmt.Errorf("make the machine's port: %w", err)
	}
	defer far.Close()
	q := &qemu{port: port, console: &console{copy: cfg.Console}, ended: make(chan struct{})}
	cmd := exec.Command(path, m.arguments(cfg, accel, kernel.Image)...)
	cmd.ExtraFiles = []*os.File{far, disk}
	cmd.Stdout, cmd.Stderr = q.console, q.console
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
	return q, q.start(cmd)
}

// start starts the emulator from a thread that waits for it: the kernel ties
// Pdeathsig to the thread, not to the process.
func (q *qemu) start(cmd *exec.Cmd) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		q.process = cmd.Process
		started <- err
		if err == nil {
			cmd.Wait()
			q.port.Close()
			close(q.ended)
		}
	}()
	if err := <-started; err != nil {
		q.port.Close()
		return fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return nil
}

// wait reports whether the emulator ended within d.
func (q *qemu) wait(d time.Duration) bool {
	select {
	case <-q.ended:
		return true
	case <-time.After(d):
		return false
	}
}

func (q *qemu) kill() {
	q.process.Kill()
	<-q.ended
}

// portPair returns our end of the port and the emulator's.
func portPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	near, far := os.NewFile(uintptr(fds[0]), "port"), os.NewFile(uintptr(fds[1]), "port")
	defer near.Close()
	conn, err := net.FileConn(near)
	return conn, far, err
}

func (m machine) arguments(cfg Config, accel, image string) []string {
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-M", m.model, "-m", strconv.Itoa(cfg.Memory), "-accel", accel,
		"-kernel", image, "-initrd", "/proc/self/fd/4", "-append", m.commandLine(cfg),
		"-serial", "stdio",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=port,fd=3", "-device", "virtserialport,chardev=port",
	}
	cpus := cfg.CPUs
	if cfg.ICount {
		args = append(args, "-icount", "shift=0,sleep=off")
		cpus = 1
	}
	return append(args, "-smp", strconv.Itoa(cpus), "-cpu", m.processor(accel))
}

// commandLine says nothing that changes how the kernel can be probed. The timer
// check panics on a host so busy that the ticks it counts come late.
func (m machine) commandLine(cfg Config) string {
	words := []string{"console=" + m.serial, "panic=-1", "random.trust_cpu=on", "no_timer_check"}
	if cfg.Console == nil {
		words = append(words, "quiet")
	}
	return strings.TrimSpace(strings.Join(words, " ") + " " + cfg.Append)
}

func (m machine) processor(accel string) string {
	if accel == "kvm" {
		return "host"
	}
	return m.cpu
}

// emulation takes turns between the processors of the machine. Each in a thread
// of its own is what QEMU before 8.1 gets wrong for us: it translates code that
// another processor is just rewriting and runs the old code from then on
// (deba78709ae8), so that arming probes under load kills a kernel in seconds.
const emulation = "tcg,thread=single"

func accelerator(name, arch string) (string, error) {
	native := arch == runtime.GOARCH
	switch name {
	case "kvm":
		if !native {
			return "", fmt.Errorf("no kvm for %s: this machine is %s", arch, runtime.GOARCH)
		}
		return "kvm", nil
	case "tcg":
		return emulation, nil
	case "", "auto":
		if native && kvmWorks() {
			return "kvm", nil
		}
		return emulation, nil
	}
	return "", fmt.Errorf("no accelerator %q: kvm, tcg or auto", name)
}

// kvmWorks asks the processor too: a machine without its flags can still have
// a /dev/kvm that opens.
func kvmWorks() bool {
	cpus, err := os.ReadFile("/proc/cpuinfo")
	flags := strings.Fields(string(cpus))
	if err != nil || !slices.Contains(flags, "vmx") && !slices.Contains(flags, "svm") {
		return false
	}
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	kvm.Close()
	return true
}
