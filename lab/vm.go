package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"
)

// VM is a running machine. Its methods may be called together.
type VM struct {
	qemu    *qemu
	session *yamux.Session
	opening sync.Mutex // a command's four streams are opened as one
}

// DeadError reports a machine that ended, or stopped answering, before its
// work was done.
type DeadError struct {
	Doing   string // "boot 6.12.1", "run ktrap"
	Cause   error
	Console string // from the kernel's first complaint on, else its last lines
}

func (e *DeadError) Error() string {
	text := fmt.Sprintf("%s: %v", e.Doing, e.Cause)
	if e.Console == "" {
		return text
	}
	return text + "; its console:\n  | " + strings.ReplaceAll(e.Console, "\n", "\n  | ")
}

func (e *DeadError) Unwrap() error { return e.Cause }

// Causes of a DeadError, besides those of a context.
var (
	ErrEnded  = errors.New("the machine ended")
	ErrSilent = errors.New("the machine stopped answering")
	errBoot   = errors.New("the machine did not come up in time")
)

// Boot starts a machine and returns when it is ready for commands. The end of
// ctx stops the boot only; Close ends the machine.
func Boot(ctx context.Context, cfg Config) (*VM, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	kernel, err := FindKernel(ctx, cfg.Kernel, cfg.Arch, cfg.Progress)
	if err != nil {
		return nil, err
	}
	if err := cfg.findInit(kernel); err != nil {
		return nil, err
	}
	disk, err := initramfs(cfg, kernel)
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	vm := new(VM)
	if vm.qemu, err = startQEMU(cfg, kernel, disk); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.BootTimeout, errBoot)
	defer cancel()
	if err := vm.greet(ctx); err != nil {
		vm.qemu.kill()
		return nil, vm.dead("boot "+kernel.Release, err)
	}
	for _, name := range cfg.Loads {
		vm.load(name)
	}
	return vm, nil
}

// greet waits for the guest's first word and turns the port into a session.
func (vm *VM) greet(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { vm.qemu.port.SetReadDeadline(time.Unix(1, 0)) })()
	word := make([]byte, 1)
	if _, err := io.ReadFull(vm.qemu.port, word); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return ErrEnded
	}
	var err error
	vm.session, err = yamux.Client(vm.qemu.port, wireConfig())
	return err
}

// load starts a load that ends with the machine.
func (vm *VM) load(name string) {
	go vm.Run(context.Background(), Cmd{Args: []string{"ktrap", "lab", "load", name}})
}

// Close ends the machine at once, whatever runs in it.
func (vm *VM) Close() error {
	vm.qemu.kill()
	if vm.session != nil {
		vm.session.Close()
	}
	return nil
}

func (vm *VM) dead(doing string, cause error) error {
	if cause == ErrEnded {
		vm.qemu.wait(time.Second) // for the console's last words
	}
	panicked, text := vm.qemu.console.report()
	if panicked != "" {
		cause = fmt.Errorf("%w: kernel panic: %s", cause, panicked)
	}
	return &DeadError{Doing: doing, Cause: cause, Console: text}
}

// Cmd is a command for a machine.
type Cmd struct {
	Args           []string
	Env            []string // added to the guest's few variables
	Dir            string   // "/" where empty
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Signals are passed on to the command's process group.
	Signals <-chan os.Signal
}

// Run runs a command in the machine and returns its exit code: 127 where there
// is no such program, 128 and the signal's number where a signal ended it. It
// returns when the command has ended and its streams are closed by all who hold
// them. The end of ctx leaves the command running; close the machine to end it.
func (vm *VM) Run(ctx context.Context, cmd Cmd) (exit int, err error) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	s, err := vm.open(ctx)
	if err != nil {
		return 0, vm.lost(ctx, cmd)
	}
	defer s.close()
	if err := send(s[0], order{Args: cmd.Args, Env: cmd.Env, Dir: cmd.Dir}); err != nil {
		return 0, vm.lost(ctx, cmd)
	}
	drained := s.connect(ctx, cmd)
	var v verdict
	if err := json.NewDecoder(s[0]).Decode(&v); err != nil {
		return 0, vm.lost(ctx, cmd)
	}
	select {
	case <-drained:
	case <-ctx.Done():
		return 0, vm.lost(ctx, cmd)
	}
	if v.Error != "" {
		return v.Exit, fmt.Errorf("%s: %s", cmd.doing(), v.Error)
	}
	return v.Exit, nil
}

func (c Cmd) doing() string { return "run " + strings.Join(c.Args, " ") }

// streams are a command's control, stdin, stdout and stderr.
type streams [4]*yamux.Stream

func (s streams) close() {
	for _, stream := range s {
		if stream != nil {
			stream.Close()
		}
	}
}

// open opens the streams of a command; the end of ctx breaks them off.
func (vm *VM) open(ctx context.Context) (s streams, err error) {
	vm.opening.Lock()
	defer vm.opening.Unlock()
	for i := range s {
		if s[i], err = vm.session.OpenStream(); err != nil {
			s.close()
			return s, err
		}
	}
	context.AfterFunc(ctx, func() { s[0].SetReadDeadline(time.Unix(1, 0)) })
	return s, nil
}

// lost says why there is no verdict: we stopped waiting, or the machine is gone,
// or it does not answer.
func (vm *VM) lost(ctx context.Context, cmd Cmd) error {
	switch {
	case ctx.Err() != nil:
		return vm.dead(cmd.doing(), context.Cause(ctx))
	case vm.qemu.wait(time.Second):
		return vm.dead(cmd.doing(), ErrEnded)
	}
	return vm.dead(cmd.doing(), ErrSilent)
}

// connect joins the command's streams; drained is closed at the end of its
// output.
func (s streams) connect(ctx context.Context, cmd Cmd) (drained chan struct{}) {
	go passSignals(ctx, s[0], cmd.Signals)
	go feed(s[1], cmd.Stdin)
	drained = make(chan struct{})
	go func() {
		defer close(drained)
		var both sync.WaitGroup
		both.Go(func() { drain(cmd.Stdout, s[2]) })
		both.Go(func() { drain(cmd.Stderr, s[3]) })
		both.Wait()
	}()
	return drained
}

func passSignals(ctx context.Context, control io.Writer, signals <-chan os.Signal) {
	for {
		select {
		case sig, ok := <-signals:
			number, known := sig.(unix.Signal)
			if !ok || !known || send(control, number) != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func feed(in *yamux.Stream, from io.Reader) {
	defer in.Close()
	if from != nil {
		io.Copy(in, from)
	}
}

// drain copies a stream until its end. A reader who is gone closes the stream,
// which the command sees as a closed pipe.
func drain(to io.Writer, from *yamux.Stream) {
	defer from.Close()
	if to == nil {
		to = io.Discard
	}
	io.Copy(to, from)
}
