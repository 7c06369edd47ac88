package kernel

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ktrap/internal/probelist"
)

// held is what processes keep probes alive with.
type held struct {
	links  map[uint32][]probelist.Owner
	events []perfEvent
}

// readHeld looks through the open files of all processes. Those that end
// meanwhile are overlooked.
func readHeld() held {
	h := held{links: map[uint32][]probelist.Owner{}}
	files, _ := filepath.Glob("/proc/[0-9]*/fd/[0-9]*")
	for _, file := range files {
		switch what, _ := os.Readlink(file); what {
		case "anon_inode:bpf_link", "anon_inode:bpf-link":
			if id, ok := linkOf(file); ok {
				h.links[id] = append(h.links[id], ownerOf(file))
			}
		case "anon_inode:[perf_event]":
			h.events = append(h.events, perfEvent{ownerOf(file), filepath.Base(file)})
		}
	}
	return h
}

func linkOf(file string) (uint32, bool) {
	text, _ := os.ReadFile(strings.Replace(file, "/fd/", "/fdinfo/", 1))
	_, rest, found := strings.Cut(string(text), "link_id:\t")
	number, _, _ := strings.Cut(rest, "\n")
	id, err := strconv.ParseUint(number, 10, 32)
	return uint32(id), found && err == nil
}

func ownerOf(file string) probelist.Owner {
	process := filepath.Dir(filepath.Dir(file))
	pid, _ := strconv.Atoi(filepath.Base(process))
	comm, _ := os.ReadFile(process + "/comm")
	return probelist.Owner{PID: pid, Comm: string(bytes.TrimSpace(comm))}
}

type perfEvent struct {
	owner probelist.Owner
	fd    string
}

// queried is what the kernel tells of the program on a perf event.
type queried struct {
	kind, program uint32
	symbol        string
	offset, addr  uint64 // the address is 0 up to 6.6 where there is a symbol
}

// enum bpf_task_fd_type
const (
	onKprobe    = 2
	onKretprobe = 3
)

func (q queried) isKprobe() bool { return q.kind == onKprobe || q.kind == onKretprobe }
func (q queried) isReturn() bool { return q.kind == onKretprobe }

type queryAttr struct {
	PID, FD, Flags uint32
	Length         uint32
	Symbol         unsafe.Pointer
	Program, Kind  uint32
	Offset, Addr   uint64
}

func (e perfEvent) query() (queried, error) {
	fd, err := strconv.ParseUint(e.fd, 10, 32)
	if err != nil {
		return queried{}, err
	}
	var symbol [512]byte
	attr := queryAttr{PID: uint32(e.owner.PID), FD: uint32(fd), Length: uint32(len(symbol)), Symbol: unsafe.Pointer(&symbol)}
	_, err = bpf(unix.BPF_TASK_FD_QUERY, &attr)
	if err != nil {
		return queried{}, fmt.Errorf("query perf event %s of process %d: %w", e.fd, e.owner.PID, err)
	}
	return queried{attr.Kind, attr.Program, unix.ByteSliceToString(symbol[:]), attr.Offset, attr.Addr}, nil
}
