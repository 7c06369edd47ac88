package probelist

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap/internal/place"
)

func TestEachWordOfTheListOfKprobesIsRead(t *testing.T) {
	for line, want := range map[string]Probe{
		"ffffffff9c6c79e2  k  vfs_read+0x12    [OPTIMIZED]": {
			Kind: Kprobe, Addr: 0xffffffff9c6c79e2,
			Place: place.Place{Symbol: "vfs_read", Offset: 0x12}, State: State{Optimized: true},
		},
		"ffffffffc0a1b2c4  r  nf_conntrack_in+0x4  nf_conntrack [DISABLED][FTRACE]": {
			Kind: Kretprobe, Addr: 0xffffffffc0a1b2c4,
			Place: place.Place{Symbol: "nf_conntrack_in", Module: "nf_conntrack", Return: true},
			State: State{Disabled: true, Ftrace: true},
		},
		"ffffffffc0a1b2c0  k  0xffffffffc0a1b2c0 [GONE]": {
			Kind: Kprobe, Addr: 0xffffffffc0a1b2c0,
			Place: place.Place{Symbol: "0xffffffffc0a1b2c0"}, State: State{Gone: true},
		},
		"0000000000000000  k  vfs_read+0x0  ": {Kind: Kprobe, Place: place.Place{Symbol: "vfs_read"}},
	} {
		got, err := ParseKprobes(strings.NewReader(line + "\n"))
		if diff := cmp.Diff([]Probe{want}, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n-want +got:\n%s", line, err, diff)
		}
	}
}

func TestAListOfKprobesOfAnotherFormatIsRefusedByLine(t *testing.T) {
	_, err := ParseKprobes(strings.NewReader("ffffffff9c6c79e2  k  vfs_read+0x12\nvfs_read k\n"))
	const want = `list of kprobes, line 2, "vfs_read k": 2 words, not 3`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestEventsOfUserSpaceAreLeftOut(t *testing.T) {
	events := "p:uprobes/u /bin/sh:0x1234 arg=%di\ne:eprobes/e syscalls/sys_enter_openat\nt:tp/x sched_switch\np:mine/k nf_nat:nf_nat_init+8\n"
	got := ParseEvents(events, "")
	want := []Probe{{
		Kind: Kprobe, Place: place.Place{Module: "nf_nat", Symbol: "nf_nat_init", Offset: 8},
		Event: &Event{Name: "mine/k"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHooksOfModulesAreNamedByModule(t *testing.T) {
	got, err := ParseHooks(strings.NewReader("ext4_sync_file [ext4] (2) R         \t->arch_ftrace_ops_list_func+0x0/0x1e0\n\n"))
	want := []Hook{{Symbol: "ext4_sync_file", Module: "ext4", Callback: "arch_ftrace_ops_list_func"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n-want +got:\n%s", err, diff)
	}
}
