package probelist

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"ktrap/internal/place"
)

var update = flag.Bool("update", false, "write the merged lists into testdata")

func TestWhatAKernelTellsInPiecesIsOneList(t *testing.T) {
	recorded, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(recorded) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range recorded {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := &archive.Files[len(archive.Files)-1]
			got := printed(Merge(sources(t, archive)))
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := gocmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("-want +got:\n%s\nrerun with -update and review", diff)
			}
		})
	}
}

func sources(t *testing.T, archive *txtar.Archive) Sources {
	t.Helper()
	text := map[string]string{}
	for _, f := range archive.Files {
		text[f.Name] = string(f.Data)
	}
	var s Sources
	var err error
	if s.Kprobes, err = ParseKprobes(strings.NewReader(text["kprobes/list"])); err != nil {
		t.Fatal(err)
	}
	if s.Hooks, err = ParseHooks(strings.NewReader(text["enabled_functions"])); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(cmp.Or(text["programs"], "[]")), &s.Programs); err != nil {
		t.Fatal(err)
	}
	s.Events = ParseEvents(text["dynamic_events"], text["kprobe_profile"])
	for _, p := range s.Events {
		p.Event.Enabled = slices.Contains(strings.Fields(text["enabled"]), p.Event.Name)
	}
	return s
}

func printed(probes []Probe) string {
	var b strings.Builder
	for _, p := range probes {
		where := "-"
		if p.Place != (place.Place{}) {
			where = p.Place.String()
		}
		fmt.Fprintf(&b, "%x %s %s", uint64(p.Addr), where, p.Kind)
		for _, f := range []struct {
			on   bool
			word string
		}{
			{p.State.Disabled, "disabled"}, {p.State.Optimized, "optimized"},
			{p.State.Ftrace, "ftrace"}, {p.State.Gone, "gone"},
		} {
			if f.on {
				fmt.Fprintf(&b, " %s", f.word)
			}
		}
		if p.Event != nil {
			event, _ := json.Marshal(p.Event)
			fmt.Fprintf(&b, " event %s", event)
		}
		if p.Program != nil {
			fmt.Fprintf(&b, " program %s link %d of %v", p.Program.Name, p.Program.Link, p.Program.Owners)
		}
		if p.Callback != "" {
			fmt.Fprintf(&b, " calls %s", p.Callback)
		}
		if p.OneOf != nil {
			fmt.Fprintf(&b, " one of %s", strings.Join(p.OneOf, ","))
		}
		if p.Functions != nil {
			fmt.Fprintf(&b, " %s", strings.Join(p.Functions, ","))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestWhoHasAKprobeIsToldByWhatIsSure(t *testing.T) {
	at := func(flags string) string { return "ffffffff81000010  k  vfs_read+0x0    " + flags + "\n" }
	const program = `[{"kind": "kprobe", "place": "vfs_read", "program": {"id": 1, "name": "prog"}}]`
	for name, c := range map[string]struct {
		archive, want string
	}{
		"a kprobe that nothing else tells of is a module's": {
			"-- kprobes/list --\n" + at("[FTRACE]"),
			"ffffffff81000010 vfs_read kprobe ftrace\n",
		},
		"a disabled event that nobody uses is left over": {
			"-- kprobes/list --\n" + at("[DISABLED]") + "-- dynamic_events --\np:g/e vfs_read\n",
			`ffffffff81000010 vfs_read kprobe disabled event {"name":"g/e","enabled":false,"orphan":true}` + "\n",
		},
		"a disabled event that is armed is perf's": {
			"-- kprobes/list --\n" + at("") + "-- dynamic_events --\np:g/e vfs_read\n",
			`ffffffff81000010 vfs_read kprobe event {"name":"g/e","enabled":false}` + "\n",
		},
		"a program set on an event shares the event's kprobe": {
			"-- kprobes/list --\n" + at("") + "-- dynamic_events --\np:g/e vfs_read\n-- programs --\n" + program,
			`ffffffff81000010 vfs_read kprobe event {"name":"g/e","enabled":false} program prog link 0 of []` + "\n",
		},
		"of two kprobes the armed one is the program's": {
			"-- kprobes/list --\n" + at("[DISABLED]") + at("") + "-- dynamic_events --\np:g/e vfs_read\n-- programs --\n" + program,
			`ffffffff81000010 vfs_read kprobe disabled event {"name":"g/e","enabled":false,"orphan":true}` + "\n" +
				"ffffffff81000010 vfs_read kprobe program prog link 0 of []\n",
		},
		"an event at an address is found by it": {
			"-- kprobes/list --\n" + at("") + "-- dynamic_events --\np:g/e 0xffffffff81000010\n-- enabled --\ng/e\n",
			`ffffffff81000010 vfs_read kprobe event {"name":"g/e","enabled":true}` + "\n",
		},
		"an event that names no module is in whichever has the symbol": {
			"-- kprobes/list --\nffffffffc044c1c4  k  dummy_setup+0x4  dummy [DISABLED][FTRACE]\n-- dynamic_events --\np:g/e dummy_setup\n",
			`ffffffffc044c1c4 dummy:dummy_setup+0x4 kprobe disabled ftrace event {"name":"g/e","enabled":false,"orphan":true}` + "\n",
		},
		"an event whose module is not loaded has no kprobe": {
			"-- dynamic_events --\np:g/e mod:func\n",
			`0 mod:func kprobe event {"name":"g/e","enabled":false}` + "\n",
		},
		"links that do not tell their function are where trampolines are": {
			"-- enabled_functions --\na (1) R I D\ttramp: x+0x0/0x58 (call_direct_funcs+0x0/0x20)\nb (1) R I D\ttramp: x+0x0/0x58 (call_direct_funcs+0x0/0x20)\n" +
				`-- programs --` + "\n" + `[{"kind": "fentry", "program": {"id": 1, "name": "p"}}, {"kind": "fexit", "place": "b", "program": {"id": 2, "name": "q"}}]`,
			"0 - fentry program p link 0 of [] one of a\n0 b fexit program q link 0 of []\n",
		},
		"hooks are told by what they call": {
			"-- enabled_functions --\na (1) R  \ttramp: 0x1 (livepatch+0x0/0x1) ->x+0x0/0x1\nb (1)  \t->function_trace_call+0x0/0x1\nc (1)  \t->function_trace_call+0x0/0x1\n",
			"0 - ftrace calls livepatch a\n0 - ftrace calls function_trace_call b,c\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, printed(Merge(sources(t, txtar.Parse([]byte(c.archive)))))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Of places without symbols the kernel prints hashes, or a word until it has a key.
func TestProbesOfEventsWhosePlacesAreHiddenAreTold(t *testing.T) {
	const one = "p:g/a 0x(____ptrval____) n=\\0\np:g/a 0x00000000c0ffee00 n=\\1\n"
	for _, c := range []struct{ name, kprobes, events, want string }{
		{"as many as there are", "ffffffff81000010  k  f+0x0    [DISABLED]\nffffffff81000014  k  f+0x4    [DISABLED]\n", one, "g/a g/a"},
		{"more than there are", "ffffffff81000010  k  f+0x0    \nffffffff81000014  k  f+0x4    \nffffffff81000018  k  f+0x8    \n", one, "[g/a] [g/a] [g/a]"},
		{"of two events", "ffffffff81000010  k  f+0x0    \nffffffff81000014  k  f+0x4    \nffffffff81000018  k  f+0x8    \n", one + "p:g/b 0x00000000c0ffee08\n", "[g/a g/b] [g/a g/b] [g/a g/b]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			kprobes, err := ParseKprobes(strings.NewReader(c.kprobes))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range Merge(Sources{Kprobes: kprobes, Events: ParseEvents(c.events, "")}) {
				if p.Event != nil {
					got = append(got, p.Event.Name)
				} else {
					got = append(got, fmt.Sprint(p.Maybe))
				}
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("got %s, want %s", text, c.want)
			}
		})
	}
}
