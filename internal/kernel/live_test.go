//go:build live

package kernel

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ktrap/internal/facts"
	"ktrap/internal/probelist"
)

// lacking are the features that Debian's kernels do not have, by how their
// release begins; they have all others.
var lacking = map[string][]facts.Feature{
	"5.10.": {
		facts.KprobeMulti, facts.KprobeSession, facts.FprobeEvents, facts.AttachCookie, facts.LinkMissed,
		facts.RecursionMisses, facts.RdonlyCast, facts.KprobeOverride, facts.OnNotrace,
	},
	"6.1.": {
		facts.KprobeMulti, facts.KprobeSession, facts.FprobeEvents, facts.LinkMissed,
		facts.RdonlyCast, facts.KprobeOverride, facts.OnNotrace,
	},
	"6.12.": {facts.KprobeOverride, facts.OnNotrace},
	"7.3.":  {facts.KprobeOverride, facts.OnNotrace, facts.Unpreempted},
}

func TestTheFactsAreTheKernels(t *testing.T) {
	k := Gather()
	for release, lacks := range lacking {
		if !strings.HasPrefix(k.Release, release) {
			continue
		}
		for _, f := range facts.Features() {
			err := k.Can(f)
			if has := !slices.Contains(lacks, f); has != (err == nil) {
				t.Errorf("%s on %s: got %v, want it to be %t", f, k.Release, err, has)
			}
		}
		return
	}
	t.Logf("nobody wrote down what %s can do", k.Release)
}

// Up to 5.10 the kernel says EPERM then.
func TestWhoHasNoLockedMemoryLeftHasBPF(t *testing.T) {
	var before unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &unix.Rlimit{}, &before); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_MEMLOCK, &before)
	if err := Gather().Programs(); err != nil {
		t.Errorf("got %v, want programs", err)
	}
}

func TestAProbeOfEachKindIsListedWithItsOwner(t *testing.T) {
	k := Gather()
	plain := load(t, ebpf.ProgramSpec{Type: ebpf.Kprobe})
	keep(t)(link.Kprobe("vfs_mkdir", plain, nil))
	keep(t)(link.Kretprobe("vfs_rmdir", plain, nil))
	trampoline := load(t, ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFEntry, AttachTo: "vfs_unlink"})
	keep(t)(link.AttachTracing(link.TracingOptions{Program: trampoline}))
	want := []string{"kprobe at vfs_mkdir", "kretprobe at vfs_rmdir", "fentry"}
	if k.Can(facts.KprobeMulti) == nil {
		multi := load(t, ebpf.ProgramSpec{Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceKprobeMulti})
		keep(t)(link.KprobeMulti(multi, link.KprobeMultiOptions{Symbols: []string{"vfs_link", "vfs_symlink"}}))
		want = append(want, "kprobe.multi")
	}

	var got []string
	for _, p := range listed(t) {
		if p.Program == nil || !slices.ContainsFunc(p.Program.Owners, isThisProcess) {
			continue
		}
		if p.Program.Name != "listed" {
			t.Errorf("%s: the program is called %q", p.Kind, p.Program.Name)
		}
		what := p.Kind
		if p.Addr != 0 {
			what += " at " + p.Place.Symbol
		}
		got = append(got, what)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestALinkTellsItsFunctions(t *testing.T) {
	k := Gather(facts.KprobeMulti, facts.LinkMissed)
	for f := range k.Features {
		if err := k.Can(f); err != nil {
			t.Skipf("needs %s: %v", f, err)
		}
	}
	multi := load(t, ebpf.ProgramSpec{Type: ebpf.Kprobe, AttachType: ebpf.AttachTraceKprobeMulti})
	keep(t)(link.KprobeMulti(multi, link.KprobeMultiOptions{Symbols: []string{"vfs_link", "vfs_symlink"}}))
	trampoline := load(t, ebpf.ProgramSpec{Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFEntry, AttachTo: "vfs_unlink"})
	keep(t)(link.AttachTracing(link.TracingOptions{Program: trampoline}))
	attached, err := AttachedPrograms()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attached {
		switch a.Kind {
		case probelist.KprobeMulti:
			if len(a.Addrs) != 2 || a.Addrs[0] == 0 {
				t.Errorf("kprobe.multi is at %#x, not at two functions", a.Addrs)
			}
		case "fentry":
			if a.Target.Type == 0 || a.Target.Module != "" {
				t.Errorf("fentry traces %+v, not a function of the kernel", a.Target)
			}
		}
	}
}

func TestAnEventIsListedAsLeftOverUntilItIsUsed(t *testing.T) {
	dir, err := Tracefs()
	if err != nil {
		t.Skipf("needs %s: %v", facts.KprobeEvents, err)
	}
	write(t, dir+"/kprobe_events", "p:listed/event vfs_rename")
	t.Cleanup(func() { write(t, dir+"/kprobe_events", "-:listed/event") })

	if e := event(t); e.Enabled || !e.Orphan || e.Counts == nil {
		t.Errorf("made and not enabled: got %+v", e)
	}
	write(t, dir+"/events/listed/event/enable", "1")
	t.Cleanup(func() { write(t, dir+"/events/listed/event/enable", "0") })
	if e := event(t); !e.Enabled || e.Orphan {
		t.Errorf("enabled: got %+v", e)
	}
}

func event(t *testing.T) *probelist.Event {
	t.Helper()
	for _, p := range listed(t) {
		if p.Event != nil && p.Event.Name == "listed/event" {
			if p.Addr == 0 || p.Place.Symbol != "vfs_rename" {
				t.Errorf("the event is at %v, %v", p.Addr, p.Place)
			}
			return p.Event
		}
	}
	t.Fatal("the event is not listed")
	return nil
}

func listed(t *testing.T) []probelist.Probe {
	t.Helper()
	sources, unread := ProbeSources()
	if err := errors.Join(unread...); err != nil {
		t.Fatal(err)
	}
	attached, err := AttachedPrograms()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attached {
		sources.Programs = append(sources.Programs, a.Probe)
	}
	return probelist.Merge(sources)
}

func isThisProcess(o probelist.Owner) bool { return o.PID == os.Getpid() && o.Comm != "" }

func load(t *testing.T, spec ebpf.ProgramSpec) *ebpf.Program {
	t.Helper()
	spec.Name, spec.License = "listed", "GPL"
	spec.Instructions = asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	p, err := ebpf.NewProgram(&spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// keep holds a link until the test ends.
func keep(t *testing.T) func(link.Link, error) {
	return func(l link.Link, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text + "\n"); err != nil {
		t.Fatal(err)
	}
}
