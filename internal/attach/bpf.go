package attach

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"ktrap/internal/object"
)

// The library loads a tracing program only after it has indexed the whole BTF
// to find the target by name, which costs more than all the rest of a start; it
// offers no way to pass the id that we already have. So the calls that load and
// link are made here.

// Numbers of include/uapi/linux/bpf.h.
const (
	cmdObjInfo    = 15 // BPF_OBJ_GET_INFO_BY_FD
	cmdLinkCreate = 28 // BPF_LINK_CREATE

	typeTracing = 26 // BPF_PROG_TYPE_TRACING

	attachFentry      = 24 // BPF_TRACE_FENTRY
	attachFexit       = 25 // BPF_TRACE_FEXIT
	attachPerfEvent   = 41 // BPF_PERF_EVENT, 5.15
	attachKprobeMulti = 42 // BPF_TRACE_KPROBE_MULTI, 5.18

	multiReturn = 1 // BPF_F_KPROBE_MULTI_RETURN
)

// fd is a file descriptor that Close closes once.
type fd int

func (f fd) Close() error {
	if err := unix.Close(int(f)); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

func bpf(cmd int, attr unsafe.Pointer, size uintptr) (int, error) {
	for {
		r, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(cmd), uintptr(attr), size)
		switch {
		case errno == 0:
			return int(r), nil
		case errno == unix.EINTR, errno == unix.EAGAIN && cmd == unix.BPF_PROG_LOAD:
			continue // a signal of the Go scheduler came between
		}
		return -1, errno
	}
}

// VerifierError is a program that the kernel's verifier refused.
type VerifierError struct {
	Log string // what the verifier wrote
	Err error
}

func (e *VerifierError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Log), "\n")
	last := lines[len(lines)-1]
	if len(lines) > 1 && strings.HasPrefix(last, "processed ") {
		last = lines[len(lines)-2]
	}
	return fmt.Sprintf("ktrap bug: the kernel's verifier refused a program of ours: %s", last)
}

func (e *VerifierError) Unwrap() error { return e.Err }

// progAttr is the part of union bpf_attr that BPF_PROG_LOAD reads.
type progAttr struct {
	progType           uint32
	insnCnt            uint32
	insns              unsafe.Pointer
	license            unsafe.Pointer
	logLevel           uint32
	logSize            uint32
	logBuf             unsafe.Pointer
	kernVersion        uint32
	progFlags          uint32
	name               [16]byte
	ifindex            uint32
	expectedAttachType uint32
	progBTF            uint32
	funcInfoRecSize    uint32
	funcInfo           unsafe.Pointer
	funcInfoCnt        uint32
	lineInfoRecSize    uint32
	lineInfo           unsafe.Pointer
	lineInfoCnt        uint32
	attachBTFID        uint32
}

// load loads p. Programs of context Fentry and Fexit are bound to the function
// whose BTF id is funcID; kprobe.multi programs say so at load.
func load(p object.Program, funcID uint32, multi bool) (fd, error) {
	var code bytes.Buffer
	if err := p.Insns.Marshal(&code, binary.LittleEndian); err != nil {
		return -1, fmt.Errorf("ktrap bug: encode a program: %w", err)
	}
	license := []byte("GPL\x00")
	insns := code.Bytes()
	attr := progAttr{
		progType: uint32(ebpf.Kprobe),
		insnCnt:  uint32(len(insns) / asm.InstructionSize),
		insns:    unsafe.Pointer(&insns[0]),
		license:  unsafe.Pointer(&license[0]),
	}
	copy(attr.name[:], "ktrap")
	switch {
	case p.Context == object.Fentry:
		attr.progType, attr.expectedAttachType, attr.attachBTFID = typeTracing, attachFentry, funcID
	case p.Context == object.Fexit:
		attr.progType, attr.expectedAttachType, attr.attachBTFID = typeTracing, attachFexit, funcID
	case multi:
		attr.expectedAttachType = attachKprobeMulti
	}
	n, err := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if err != nil {
		err = explainLoad(attr, err)
	}
	return fd(n), err
}

// explainLoad loads once more for the verifier's words.
func explainLoad(attr progAttr, err error) error {
	log := make([]byte, 1<<20)
	attr.logLevel, attr.logSize, attr.logBuf = 1, uint32(len(log)), unsafe.Pointer(&log[0])
	n, again := bpf(unix.BPF_PROG_LOAD, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if again == nil {
		unix.Close(n)
		return fmt.Errorf("load a BPF program: %w", err)
	}
	text := string(log[:bytes.IndexByte(log, 0)])
	if text == "" || errors.Is(again, unix.EPERM) {
		return fmt.Errorf("load a BPF program: %w", again)
	}
	return &VerifierError{Log: text, Err: again}
}

// linkTracing attaches a program that was loaded for fentry or fexit.
func linkTracing(prog fd) (fd, error) {
	attr := struct {
		name unsafe.Pointer
		prog uint32
		_    uint32
	}{prog: uint32(prog)}
	n, err := bpf(unix.BPF_RAW_TRACEPOINT_OPEN, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return fd(n), err
}

// linkPerf attaches prog to a perf event. Before 5.15 there are no such links:
// the event itself holds the program then, and nothing is returned.
func linkPerf(prog, event fd, cookie uint64) (fd, error) {
	attr := struct {
		prog, target, attachType, flags uint32
		cookie                          uint64
	}{uint32(prog), uint32(event), attachPerfEvent, 0, cookie}
	n, err := bpf(cmdLinkCreate, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	if errors.Is(err, unix.EINVAL) && cookie == 0 {
		return -1, unix.IoctlSetInt(int(event), unix.PERF_EVENT_IOC_SET_BPF, int(prog))
	}
	return fd(n), err
}

// linkMulti attaches prog to many functions' entries or returns (5.18).
func linkMulti(prog fd, addrs, cookies []uint64, ret bool) (fd, error) {
	attr := struct {
		prog, target, attachType, flags uint32
		multiFlags, count               uint32
		syms, addrs, cookies            unsafe.Pointer
	}{
		prog: uint32(prog), attachType: attachKprobeMulti, count: uint32(len(addrs)),
		addrs: unsafe.Pointer(&addrs[0]), cookies: unsafe.Pointer(&cookies[0]),
	}
	if ret {
		attr.multiFlags = multiReturn
	}
	n, err := bpf(cmdLinkCreate, unsafe.Pointer(&attr), unsafe.Sizeof(attr))
	return fd(n), err
}

// linkMissed is how many hits the kernel did not hand to the link's program
// because another probe's handler was running (6.7: 3acf8ace6823 for perf
// events, e2b2cd592adb for kprobe.multi; both forms keep the number at another
// place of struct bpf_link_info).
func linkMissed(link fd, multi bool) (uint64, error) {
	var info [128]byte
	attr := struct {
		fd, size uint32
		info     unsafe.Pointer
	}{uint32(link), uint32(len(info)), unsafe.Pointer(&info[0])}
	if _, err := bpf(cmdObjInfo, unsafe.Pointer(&attr), unsafe.Sizeof(attr)); err != nil {
		return 0, fmt.Errorf("read a link's misses: %w", err)
	}
	at := 48
	if multi {
		at = 32
	}
	return binary.NativeEndian.Uint64(info[at:]), nil
}

// recursionMisses is how many hits did not reach the program because it, or
// another of its kind, was running on that CPU (5.12: 9ed9e9ba2337).
func recursionMisses(prog fd) (uint64, error) {
	dup, err := unix.FcntlInt(uintptr(prog), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("read a program's misses: %w", err)
	}
	p, err := ebpf.NewProgramFromFD(dup)
	if err != nil {
		return 0, fmt.Errorf("read a program's misses: %w", err)
	}
	defer p.Close()
	stats, err := p.Stats()
	if err != nil {
		return 0, fmt.Errorf("read a program's misses: %w", err)
	}
	return stats.RecursionMisses, nil
}
