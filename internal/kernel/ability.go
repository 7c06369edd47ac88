package kernel

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ktrap/internal/facts"
)

// bpf keeps the program that it loads: others attach it to nothing. It is made
// for kprobe.multi, which kernels without it overlook.
func (g *gatherer) bpf() facts.Answer {
	fd, err := program{kind: ebpf.Kprobe, attachTo: ebpf.AttachTraceKprobeMulti}.load()
	g.plain = fd
	if errors.Is(err, unix.ENOSYS) {
		return no("this kernel has no bpf() (CONFIG_BPF_SYSCALL)", "use a kernel with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS")
	}
	return g.verdict("bpf()", err, "this kernel has no BPF programs for kprobes (CONFIG_BPF_EVENTS)")
}

// attaches asks for a link to one symbol whose name is at a bad address: only a
// kernel that knows this kind of link gets as far as to look there.
func (g *gatherer) attaches(fd int, to ebpf.AttachType, old string) facts.Answer {
	attr := linkAttr{Program: uint32(fd), AttachTo: uint32(to)}
	attr.Multi.Count, attr.Multi.Symbols = 1, 1
	_, err := bpf(unix.BPF_LINK_CREATE, &attr)
	switch {
	case errors.Is(err, unix.EFAULT):
		return yes()
	case errors.Is(err, unix.EOPNOTSUPP):
		return no("this kernel is built without kprobe.multi (CONFIG_FPROBE)", "")
	}
	return g.verdict("attaching by kprobe.multi", err, old)
}

func (g *gatherer) kprobeMulti() facts.Answer {
	return g.first(func() facts.Answer {
		return g.attaches(g.plain, ebpf.AttachTraceKprobeMulti, "this kernel is older than kprobe.multi")
	}, facts.BPF, facts.Ftrace)
}

func (g *gatherer) kprobeSession() facts.Answer {
	return g.first(func() facts.Answer {
		const old = "this kernel is older than kprobe.session"
		fd, err := program{kind: ebpf.Kprobe, attachTo: ebpf.AttachTraceKprobeSession}.load()
		if err != nil {
			return g.verdict("bpf()", err, old)
		}
		defer unix.Close(fd)
		return g.attaches(fd, ebpf.AttachTraceKprobeSession, old)
	}, facts.KprobeMulti)
}

// fentry asks for a function that no BTF has: who may trace functions gets as
// far as that. Whether the architecture has trampolines only attaching tells;
// x86 has had them for as long as BTF.
func (g *gatherer) fentry() facts.Answer {
	return g.first(func() facts.Answer {
		_, err := program{kind: ebpf.Tracing, attachTo: ebpf.AttachTraceFEntry, function: math.MaxInt32}.load()
		if errors.Is(err, unix.EINVAL) {
			return yes()
		}
		return g.verdict("BPF programs that trace functions", err, "")
	}, facts.BPF, facts.BTF, facts.Ftrace)
}

const kprobePMU = "sys/bus/event_source/devices/kprobe/"

// kprobePerf asks for a probe at address 0: the kernel looks at who asks before
// it looks at where.
func (g *gatherer) kprobePerf() facts.Answer {
	pmu, err := g.pmu()
	if err != nil {
		return no("this kernel is built without kprobes for perf (CONFIG_KPROBE_EVENTS)", "use a kernel with them; ktrap lab boots one")
	}
	g.kernel.PMU = pmu
	err = g.openProbe(&unix.PerfEventAttr{Type: pmu.Type})
	if errors.Is(err, unix.EINVAL) {
		return yes()
	}
	if level, _ := g.text("proc/sys/kernel/perf_event_paranoid"); level > "2" && errors.Is(err, unix.EACCES) {
		return no("kernel.perf_event_paranoid="+level+" keeps perf_event_open from all but CAP_SYS_ADMIN",
			"run it as root, or: sysctl kernel.perf_event_paranoid=2")
	}
	return g.verdict("perf_event_open", err, "")
}

func (g *gatherer) openProbe(attr *unix.PerfEventAttr) error {
	attr.Size = uint32(unsafe.Sizeof(*attr))
	attr.Bits = unix.PerfBitDisabled
	fd, err := unix.PerfEventOpen(attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func (g *gatherer) pmu() (facts.PMU, error) {
	kind, err := g.text(kprobePMU + "type")
	if err != nil {
		return facts.PMU{}, err
	}
	bit, err := g.text(kprobePMU + "format/retprobe")
	if err != nil {
		return facts.PMU{}, err
	}
	return facts.ParsePMU(kind, bit)
}

func (g *gatherer) hasBTF() facts.Answer {
	info, err := fs.Stat(g.root, vmlinuxBTF)
	switch {
	case err != nil:
		return no("this kernel is built without CONFIG_DEBUG_INFO_BTF", "")
	case info.Size() == 0:
		return no("/"+vmlinuxBTF+" is empty: it is hidden from this process", "")
	}
	return yes()
}

const vmlinuxBTF = "sys/kernel/btf/vmlinux"

// describes reports whether the kernel's BTF holds a name: what is a function
// there was compiled in.
func (g *gatherer) describes(name string) bool {
	if g.btf == nil {
		g.btf, _ = fs.ReadFile(g.root, vmlinuxBTF)
	}
	return bytes.Contains(g.btf, []byte("\x00"+name+"\x00"))
}

func (g *gatherer) byBTF(name, why string, needs ...facts.Feature) facts.Answer {
	return g.first(func() facts.Answer {
		if !g.describes(name) {
			return no(why, "")
		}
		return yes()
	}, append(needs, facts.BTF)...)
}

func (g *gatherer) rdonlyCast() facts.Answer {
	return g.byBTF("bpf_rdonly_cast", "this kernel is older than bpf_rdonly_cast", facts.BPF)
}

func (g *gatherer) onFtrace() facts.Answer {
	return g.byBTF("kprobe_ftrace_handler", "this kernel is built without CONFIG_KPROBES_ON_FTRACE")
}

// untraced is a function of every kernel; lib/Makefile keeps function tracing
// out of all of lib/.
var untraced = []byte("kstrtoull\x00")

// onNotrace arms nothing: the event that it asks for is disabled.
func (g *gatherer) onNotrace() facts.Answer {
	return g.first(func() facts.Answer {
		name := uint64(uintptr(unsafe.Pointer(&untraced[0])))
		err := g.openProbe(&unix.PerfEventAttr{Type: g.kernel.PMU.Type, Ext1: name})
		return g.verdict("perf_event_open", err, "this kernel is built without CONFIG_KPROBE_EVENTS_ON_NOTRACE")
	}, facts.KprobePerf)
}

const (
	overrideReturn  = 58
	getAttachCookie = 174
)

func (g *gatherer) helper(number uint64, old string) facts.Answer {
	return g.first(func() facts.Answer {
		fd, err := program{kind: ebpf.Kprobe, instructions: []uint64{callHelper(number)}}.load()
		if err == nil {
			unix.Close(fd)
		}
		return g.verdict("bpf()", err, old)
	}, facts.BPF)
}

func (g *gatherer) attachCookie() facts.Answer {
	return g.helper(getAttachCookie, "this kernel is older than bpf_get_attach_cookie")
}

func (g *gatherer) kprobeOverride() facts.Answer {
	return g.helper(overrideReturn, "this kernel is built without CONFIG_BPF_KPROBE_OVERRIDE")
}

func (g *gatherer) ringbuf() facts.Answer {
	return g.first(func() facts.Answer {
		fd, err := bpf(unix.BPF_MAP_CREATE, &mapAttr{Type: uint32(ebpf.RingBuf), MaxEntries: uint32(os.Getpagesize())})
		if err == nil {
			unix.Close(fd)
		}
		return g.verdict("bpf()", err, "this kernel is older than BPF ring buffers")
	}, facts.BPF)
}

// Where the counts of misses end in struct bpf_prog_info and, for a kprobe's
// perf event, in struct bpf_link_info.
const (
	recursionMissesEnd = 216
	kprobeMissedEnd    = 56
)

func (g *gatherer) recursionMisses() facts.Answer {
	return g.first(func() facts.Answer { return g.tells(g.plain, recursionMissesEnd) }, facts.BPF)
}

func (g *gatherer) tells(fd, end int) facts.Answer {
	length, err := infoLength(fd)
	if err == nil && length < end {
		err = unix.EINVAL
	}
	return g.verdict("bpf()", err, "this kernel does not tell how many hits were missed")
}

// linkMissed makes the one link that touches nothing, to a perf event that never
// happens. Kernels without such links (b89fbfbb854c, 5.15) count no misses either.
func (g *gatherer) linkMissed() facts.Answer {
	return g.first(func() facts.Answer {
		link, err := linkToNothing()
		if err != nil {
			return g.verdict("bpf()", err, "this kernel has no links to perf events")
		}
		defer unix.Close(link)
		return g.tells(link, kprobeMissedEnd)
	}, facts.BPF)
}

func linkToNothing() (int, error) {
	sample, err := program{kind: ebpf.PerfEvent}.load()
	if err != nil {
		return -1, err
	}
	defer unix.Close(sample)
	attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY, Bits: unix.PerfBitDisabled}
	attr.Size = uint32(unsafe.Sizeof(attr))
	// On a CPU: the first event on a task makes the kernel wait for all CPUs.
	event, err := unix.PerfEventOpen(&attr, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(event)
	return bpf(unix.BPF_LINK_CREATE, &linkAttr{Program: uint32(sample), Target: uint32(event), AttachTo: uint32(ebpf.AttachPerfEvent)})
}
