package ktrap

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"ktrap/internal/attach"
	"ktrap/internal/btf"
	"ktrap/internal/facts"
	"ktrap/internal/kernel"
	"ktrap/internal/place"
	"ktrap/internal/probelist"
	"ktrap/symbols"
)

// Listing is what is armed on a machine.
type Listing struct {
	Probes []ListedProbe `json:"probes"`

	// Unseen says what could not be looked at, with the reason.
	Unseen []string `json:"unseen,omitempty"`
}

// ListedProbe is one probe, whoever armed it: of BPF, perf, tracefs or a kernel
// module; with the event and the program that it has, if any.
type (
	ListedProbe   = probelist.Probe
	ListedEvent   = probelist.Event
	ListedProgram = probelist.Program
)

// List tells all probes that are armed on this machine, or made and not armed,
// with their state and the processes that hold them. It changes nothing. It
// needs root.
func List() (*Listing, error) {
	if err := kernel.Gather(facts.Privileges).Can(facts.Privileges); err != nil {
		return nil, fmt.Errorf("list probes: %w", err)
	}
	sources, unread := kernel.ProbeSources()
	attached, err := kernel.AttachedPrograms()
	if err != nil {
		unread = append(unread, err)
	}
	live := symbols.Open(symbols.Options{})
	defer live.Close()
	vmlinux := sync.OnceValues(func() (*btf.Spec, error) { return openBTF("", nil) })
	for _, a := range attached {
		for _, addr := range a.Addrs {
			a.Functions = append(a.Functions, functionAt(live, addr))
		}
		if a.Target.Type != 0 {
			a.Place, err = functionOf(vmlinux, a.Target)
			unread = append(unread, err)
		}
		sources.Programs = append(sources.Programs, a.Probe)
	}
	l := &Listing{Probes: probelist.Merge(sources), Unseen: texts(unread)}
	l.removers()
	return l, nil
}

// removers finds who is to remove the events that a session left.
func (l *Listing) removers() {
	guards := attach.Guards()
	for _, p := range l.Probes {
		if p.Event != nil && p.Event.Orphan {
			group, _, _ := strings.Cut(p.Event.Name, "/")
			p.Event.Remover = guards[group]
		}
	}
}

func functionAt(live *symbols.Live, addr uint64) string {
	f := frame(live, addr)
	return place.Place{Symbol: f.Symbol, Module: f.Module, Addr: addr}.String()
}

func functionOf(vmlinux func() (*btf.Spec, error), t kernel.Target) (place.Place, error) {
	spec, err := vmlinux()
	if err == nil && t.Module != "" {
		spec, err = openBTF(t.Module, spec)
	}
	if err != nil {
		return place.Place{}, err
	}
	function, err := spec.Type(btf.ID(t.Type))
	return place.Place{Symbol: function.Name, Module: t.Module}, err
}

func texts(errs []error) (texts []string) {
	for _, err := range errs {
		if err != nil && !slices.Contains(texts, err.Error()) {
			texts = append(texts, err.Error())
		}
	}
	return texts
}
