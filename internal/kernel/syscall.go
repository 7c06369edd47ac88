package kernel

import (
	"errors"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ktrap/internal/facts"
)

// The tests call bpf() bare: a library's own feature tests would cost more than
// ours.

// A program is an array of instructions, each of 8 bytes:
//
//	opcode 8 | source 4, destination 4 | offset 16 | immediate 32
const (
	zeroR0 = 0xb7
	exit   = 0x95
)

// callHelper calls a helper by its number, with the context as first argument.
func callHelper(number uint64) uint64 { return 0x85 | number<<32 }

type programAttr struct {
	Type, Length        uint32
	Instructions        unsafe.Pointer
	License             unsafe.Pointer
	LogLevel, LogSize   uint32
	Log                 unsafe.Pointer
	KernelVersion       uint32
	Flags               uint32
	Name                [16]byte
	Interface, AttachTo uint32

	BTF, FunctionSize uint32
	Functions         unsafe.Pointer
	FunctionCount     uint32
	LineSize          uint32
	Lines             unsafe.Pointer
	LineCount         uint32
	AttachFunction    uint32
}

// program runs instructions, then returns 0.
type program struct {
	kind         ebpf.ProgramType
	attachTo     ebpf.AttachType
	function     uint32 // its id in the kernel's BTF
	instructions []uint64
}

func (p program) load() (fd int, err error) {
	code := append(p.instructions, zeroR0, exit)
	license := [...]byte{'G', 'P', 'L', 0}
	return bpf(unix.BPF_PROG_LOAD, &programAttr{
		Type: uint32(p.kind), AttachTo: uint32(p.attachTo), AttachFunction: p.function,
		Instructions: unsafe.Pointer(&code[0]), Length: uint32(len(code)),
		License: unsafe.Pointer(&license),
	})
}

type linkAttr struct {
	Program, Target, AttachTo, Flags uint32
	Multi                            struct {
		Flags, Count                uint32
		Symbols, Addresses, Cookies uint64
	}
}

type mapAttr struct {
	Type, KeySize, ValueSize, MaxEntries, Flags uint32
}

type infoAttr struct {
	FD, Length uint32
	Info       unsafe.Pointer
}

// infoLength returns how many bytes the kernel knows to tell about a program or
// link.
func infoLength(fd int) (int, error) {
	// Larger than any, and zero: the kernel refuses what it does not know unless
	// it is zero.
	var info [1024]byte
	attr := infoAttr{FD: uint32(fd), Length: uint32(len(info)), Info: unsafe.Pointer(&info)}
	_, err := bpf(unix.BPF_OBJ_GET_INFO_BY_FD, &attr)
	return int(attr.Length), err
}

func bpf[T any](command uintptr, attr *T) (int, error) {
	for lifted := false; ; {
		result, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		switch {
		case errno == 0:
			return int(result), nil
		case errno == unix.EPERM && !lifted && LiftMemlock() == nil:
			lifted = true
		case errno != unix.EAGAIN && errno != unix.EINTR: // a signal of the Go scheduler came between
			return -1, errno
		}
	}
}

// LiftMemlock lets this process lock as much memory as it likes. Up to 5.10 maps and
// programs count against that limit, and so do those of all the user's processes, with
// the buffers of perf: who has none left is told EPERM, as if it had no privileges.
func LiftMemlock() error {
	return unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
}

// verdict turns the error of what was tried into an answer; EINVAL means that
// the kernel does not know it, for which old is the reason.
func (g *gatherer) verdict(what string, err error, old string) facts.Answer {
	switch {
	case err == nil:
		return yes()
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return g.denied(what)
	case errors.Is(err, unix.EINVAL):
		return no(old, "")
	}
	return no(what+": "+err.Error(), "")
}

func (g *gatherer) denied(what string) facts.Answer {
	privileges, unlocked := g.answer(facts.Privileges), g.answer(facts.Unlocked)
	switch {
	case privileges.State == facts.No:
		return unknown(privileges.Why, privileges.Mend)
	case unlocked.State == facts.No:
		return unlocked
	case g.process().Filtered:
		return no("a seccomp filter forbids "+what, "run it outside of the container, or allow the call there")
	}
	return no("the kernel forbids "+what+" to this process", "")
}
