package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"

	"ktrap/internal/probelist"
)

// A library's iterator over links knows every kind of them, which is a tenth of a
// megabyte of program; four are of the kernel's code.

// Numbers of include/uapi/linux/bpf.h.
const (
	getBTF   = 19 // BPF_BTF_GET_FD_BY_ID
	getLink  = 30 // BPF_LINK_GET_FD_BY_ID
	nextLink = 31 // BPF_LINK_GET_NEXT_ID

	tracingLink   = 2
	perfEventLink = 7
	multiLink     = 8

	fentryType       = 24 // BPF_TRACE_FENTRY
	fexitType        = 25 // BPF_TRACE_FEXIT
	modifyReturnType = 26 // BPF_MODIFY_RETURN

	perfKprobe    = 3 // BPF_PERF_EVENT_KPROBE
	perfKretprobe = 4
)

// linkInfo is struct bpf_link_info: what all kinds have, and the rest.
type linkInfo struct {
	Kind, ID, Program uint32
	_                 uint32
	Rest              [112]byte
}

// tracingInfo, multiInfo and kprobeInfo are what it goes on with.
type tracingInfo struct{ AttachedAs, Object, Type uint32 }

type multiInfo struct {
	Addrs        uint64
	Count, Flags uint32
	Missed       uint64 // from 6.7 on
}

type kprobeInfo struct {
	Kind, _            uint32
	Name               uint64
	NameLength, Offset uint32
	Addr, Missed       uint64
}

// as reads one of the three.
func as[T any](i *linkInfo) (v T) {
	if _, err := binary.Decode(i.Rest[:], binary.NativeEndian, &v); err != nil {
		panic("ktrap bug: " + err.Error()) // larger than Rest
	}
	return v
}

type idAttr struct{ ID, Next, Flags uint32 }

// links calls do with every link, open, until it fails.
func links(do func(fd int, info *linkInfo) error) error {
	for attr := (idAttr{}); ; attr.ID = attr.Next {
		if _, err := bpf(nextLink, &attr); err != nil {
			if errors.Is(err, unix.ENOENT) { // the last
				return nil
			}
			return err
		}
		fd, err := bpf(getLink, &idAttr{ID: attr.Next})
		if errors.Is(err, unix.ENOENT) { // gone meanwhile
			continue
		}
		if err != nil {
			return err
		}
		info := new(linkInfo)
		if err = objectInfo(fd, info); err == nil {
			err = do(fd, info)
		}
		if err = errors.Join(err, unix.Close(fd)); err != nil {
			return err
		}
	}
}

// objectInfo has the kernel fill info, which may ask for memory to be filled too.
func objectInfo[T any](fd int, info *T) error {
	attr := infoAttr{FD: uint32(fd), Length: uint32(unsafe.Sizeof(*info)), Info: unsafe.Pointer(info)}
	_, err := bpf(unix.BPF_OBJ_GET_INFO_BY_FD, &attr)
	return err
}

// addressesOf are those of the functions that a link of many has; none up to 6.5.
func addressesOf(fd int, m multiInfo) []uint64 {
	addrs := make([]uint64, m.Count)
	if len(addrs) == 0 {
		return nil
	}
	var info struct {
		_     [4]uint32
		Addrs unsafe.Pointer
		Count uint32
		_     [108]byte
	}
	info.Addrs, info.Count = unsafe.Pointer(&addrs[0]), m.Count
	if objectInfo(fd, &info) != nil {
		return nil
	}
	return addrs
}

// functionOf is the name of the function that a kprobe's link is in.
func functionOf(fd int) string {
	var name [128]byte // KSYM_NAME_LEN, up to 6.0
	var info struct {
		_      [6]uint32
		Name   unsafe.Pointer
		Length uint32
		_      [100]byte
	}
	info.Name, info.Length = unsafe.Pointer(&name), uint32(len(name))
	if err := objectInfo(fd, &info); err != nil && !errors.Is(err, unix.ENOSPC) {
		return ""
	}
	text, _, _ := bytes.Cut(name[:], []byte{0})
	return string(text)
}

// target is the function that a trampoline is of; zero for programs that trace another
// program, and where the kernel does not tell (up to 5.12).
func target(t tracingInfo) Target {
	fd, err := bpf(getBTF, &idAttr{ID: t.Object})
	if err != nil {
		return Target{}
	}
	defer unix.Close(fd)
	var name [64]byte // MODULE_NAME_LEN at the most
	var info struct {
		BTF        uint64
		Size, ID   uint32
		Name       unsafe.Pointer
		NameLength uint32
		IsKernel   uint32
	}
	info.Name, info.NameLength = unsafe.Pointer(&name), uint32(len(name))
	if err := objectInfo(fd, &info); err != nil || info.IsKernel == 0 {
		return Target{}
	}
	module, _, _ := bytes.Cut(name[:], []byte{0})
	if string(module) == "vmlinux" {
		return Target{Type: t.Type}
	}
	return Target{string(module), t.Type}
}

// multiReturn is the flag of a link to the returns of many functions.
const multiReturn = 1

// attachedBy takes links to the kernel's code only.
func attachedBy(fd int, info *linkInfo) (a Attached, ok bool) {
	a.Program = &probelist.Program{}
	switch info.Kind {
	case tracingLink:
		t := as[tracingInfo](info)
		a.Kind, ok = map[uint32]string{fentryType: "fentry", fexitType: "fexit", modifyReturnType: "modify_return"}[t.AttachedAs]
		a.Target = target(t)
	case multiLink:
		m := as[multiInfo](info)
		a.Kind, ok = probelist.KprobeMulti, true
		if m.Flags&multiReturn != 0 {
			a.Kind = probelist.KretprobeMulti
		}
		a.Addrs, a.Program.Missed = addressesOf(fd, m), m.Missed
	case perfEventLink:
		k := as[kprobeInfo](info)
		if ok = k.Kind == perfKprobe || k.Kind == perfKretprobe; ok {
			a = kprobeAt(functionOf(fd), uint64(k.Offset), k.Addr, k.Kind == perfKretprobe)
			a.Program = &probelist.Program{Missed: k.Missed}
		}
	}
	return a, ok
}
