package kernel

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"ktrap/internal/place"
	"ktrap/internal/probelist"
)

// Attached is a BPF program that is attached to the kernel's code, as bpf()
// tells of it: with no names for addresses and types.
type Attached struct {
	probelist.Probe
	Addrs  []uint64 // of a probe of many functions, from 6.6 on
	Target Target   // of one by trampoline, from 5.13 on (441e8c66b23e)
}

// Target is a function in the BTF of the kernel, or of a module.
type Target struct {
	Module string
	Type   uint32 // 0 if the kernel does not tell
}

// AttachedPrograms lists the links of all processes, and the perf events that
// run a program: links tell the place of a kprobe only from 6.6 on
// (1b715e1b0ec5), and a program can be set without one. It needs root.
func AttachedPrograms() ([]Attached, error) {
	held := readHeld()
	l := lister{owners: held.links, names: map[uint32]string{}}
	if err := l.addLinks(); err != nil {
		return nil, fmt.Errorf("list BPF links: %w", err)
	}
	for _, event := range held.events {
		l.addEvent(event)
	}
	return l.attached, nil
}

type lister struct {
	owners   map[uint32][]probelist.Owner // by link
	names    map[uint32]string            // by program
	attached []Attached
}

func (l *lister) addLinks() error {
	return links(func(fd int, info *linkInfo) error {
		if a, ok := attachedBy(fd, info); ok {
			a.Program.Link, a.Program.Owners = info.ID, l.owners[info.ID]
			a.Program.ID, a.Program.Name = info.Program, l.name(info.Program)
			l.attached = append(l.attached, a)
		}
		return nil
	})
}

func kprobeAt(symbol string, offset, addr uint64, isReturn bool) Attached {
	var a Attached
	a.Kind, a.Addr = probelist.Kprobe, place.Address(addr)
	a.Place.Symbol, a.Place.Offset = symbol, offset
	if isReturn {
		a.Kind, a.Place.Return = probelist.Kretprobe, true
	}
	return a
}

func (l *lister) addEvent(event perfEvent) {
	q, err := event.query()
	if err != nil || !q.isKprobe() {
		return
	}
	a := kprobeAt(q.symbol, q.offset, q.addr, q.isReturn())
	a.Program = &probelist.Program{ID: q.program, Name: l.name(q.program), Owners: []probelist.Owner{event.owner}}
	if !slices.ContainsFunc(l.attached, a.linked) {
		l.attached = append(l.attached, a)
	}
}

// linked reports whether b is the link to the perf event a: of one place, one
// program and one owner.
func (a Attached) linked(b Attached) bool {
	return probelist.Same(&a.Probe, &b.Probe) && b.Program.ID == a.Program.ID &&
		slices.Contains(b.Program.Owners, a.Program.Owners[0])
}

func (l *lister) name(program uint32) string {
	name, known := l.names[program]
	if !known {
		name = programName(program)
		l.names[program] = name
	}
	return name
}

// programName is empty for a program that went away in between.
func programName(id uint32) string {
	p, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
	if err != nil {
		return ""
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return ""
	}
	return info.Name
}
