package facts

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAMissingFeatureSaysWhyAndHowToMendIt(t *testing.T) {
	k := &Kernel{Features: map[Feature]Answer{
		KprobeMulti: {State: No, Why: "this kernel is built without kprobe.multi (CONFIG_FPROBE)"},
		Unlocked:    {State: Unknown, Why: "securityfs is not mounted", Mend: "mount it"},
		BPF:         {State: Yes},
	}}
	for f, want := range map[Feature]string{
		KprobeMulti: "this kernel is built without kprobe.multi (CONFIG_FPROBE)",
		Unlocked:    "securityfs is not mounted; to mend it: mount it",
		Fentry:      "fentry was not looked at",
	} {
		err := k.Can(f)
		var missing *Missing
		if !errors.As(err, &missing) || missing.Feature != f || err.Error() != want {
			t.Errorf("Can(%s) = %v, want %s", f, err, want)
		}
	}
	if err := k.Can(BPF); err != nil {
		t.Errorf("Can(%s) = %v, want nil", BPF, err)
	}
}

func TestOnlyWhatIsKnownToBeMissingStopsAProbe(t *testing.T) {
	able := func(changed map[Feature]Answer) *Kernel {
		k := &Kernel{Features: map[Feature]Answer{KprobePerf: {State: Yes}}}
		for _, f := range ToProbe() {
			k.Features[f] = Answer{State: Yes}
		}
		for f, a := range changed {
			k.Features[f] = a
		}
		return k
	}
	for _, c := range []struct {
		name    string
		changed map[Feature]Answer
		want    Feature
	}{
		{"nothing", nil, ""},
		{"an unknown switch", map[Feature]Answer{SwitchedOn: {State: Unknown}}, ""},
		{"a known switch", map[Feature]Answer{SwitchedOn: {State: No}}, SwitchedOn},
		{"the cause before the effect", map[Feature]Answer{BPF: {State: No}, Privileges: {State: No}}, Privileges},
		{"no kprobes, but fentry", map[Feature]Answer{KprobePerf: {State: No}, Fentry: {State: Yes}}, ""},
		{"no way to attach", map[Feature]Answer{KprobePerf: {State: No}}, KprobePerf},
		{"no programs, but tracefs", map[Feature]Answer{BPF: {State: No}, KprobePerf: {State: No}, KprobeEvents: {State: Yes}}, ""},
		{"no rights to programs, but tracefs", map[Feature]Answer{Privileges: {State: No}, KprobeEvents: {State: Yes}}, ""},
		{"no ring buffer, but tracefs", map[Feature]Answer{Ringbuf: {State: No}, KprobeEvents: {State: Yes}}, ""},
		{"no programs and perhaps tracefs", map[Feature]Answer{BPF: {State: No}, KprobeEvents: {State: Unknown}}, BPF},
		{"no programs, tracefs not built in", map[Feature]Answer{BPF: {State: No}, KprobeEvents: {State: No}}, BPF},
		{"no programs, tracefs not mounted", map[Feature]Answer{BPF: {State: No}, KprobeEvents: {State: No, Mend: "mount"}}, KprobeEvents},
		{"no rights, tracefs not mounted", map[Feature]Answer{Privileges: {State: No}, KprobeEvents: {State: No, Mend: "mount"}}, Privileges},
		{"tracefs, but kprobes switched off", map[Feature]Answer{BPF: {State: No}, SwitchedOn: {State: No}, KprobeEvents: {State: Yes}}, SwitchedOn},
	} {
		var missing *Missing
		errors.As(able(c.changed).Ready(), &missing)
		if missing == nil {
			missing = &Missing{}
		}
		if missing.Feature != c.want {
			t.Errorf("%s: got %q, want %q", c.name, missing.Feature, c.want)
		}
	}
}

func TestEveryFeatureIsToldOfOnce(t *testing.T) {
	names := Features()
	for i, f := range names {
		if f.About().For == "" || f.About().Group == "" {
			t.Errorf("%s is told of without purpose or group", f)
		}
		if slices.Contains(names[:i], f) {
			t.Errorf("%s is told of twice", f)
		}
	}
	for _, f := range slices.Concat(ToProbe(), Ways()) {
		if !slices.Contains(names, f) {
			t.Errorf("%s is needed and never told of", f)
		}
	}
}

func TestAKernelSurvivesJSON(t *testing.T) {
	want := Kernel{
		Release: "6.12.117+deb13-cloud-amd64", Arch: "amd64", CPUs: CPUs{Online: 2, Possible: 4}, PMU: PMU{Type: 8},
		Features: map[Feature]Answer{BPF: {State: Yes}, Kcore: {State: No, Why: "why", Mend: "mend"}},
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Kernel
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestPrivilegesAreReadFromStatus(t *testing.T) {
	for _, c := range []struct {
		name, capEff string
		want         []string
	}{
		{"root", "000001ffffffffff", nil},
		{"nobody", "0000000000000000", []string{"CAP_BPF", "CAP_PERFMON"}},
		{"both and no more", "000000c000000000", nil},
		{"CAP_BPF alone", "0000008000000000", []string{"CAP_PERFMON"}},
		{"CAP_SYS_ADMIN alone", "0000000000200000", nil},
	} {
		s := ParseStatus("Umask:\t0022\nCapEff:\t" + c.capEff + "\nSeccomp:\t2\nSeccomp_filters:\t1\n")
		if diff := cmp.Diff(c.want, s.Lacking()); diff != "" || !s.Filtered {
			t.Errorf("%s: %+v lacks -want +got:\n%s", c.name, s, diff)
		}
	}
}

func TestTheLockdownModeIsTheWordInBrackets(t *testing.T) {
	for text, want := range map[string]string{
		"[none] integrity confidentiality\n": "none",
		"none [integrity] confidentiality\n": "integrity",
		"none integrity [confidentiality]\n": "confidentiality",
		"":                                   "",
	} {
		if got := LockdownMode(text); got != want {
			t.Errorf("LockdownMode(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCPUsAreCountedInRanges(t *testing.T) {
	for list, want := range map[string]int{"0\n": 1, "0-1\n": 2, "0-3,7\n": 5, "0,2,4-5": 4, "\n": 0} {
		if got := CountCPUs(list); got != want {
			t.Errorf("CountCPUs(%q) = %d, want %d", list, got, want)
		}
	}
}

func TestTheKprobePMUIsRead(t *testing.T) {
	got, err := ParsePMU("8\n", "config:0\n")
	if want := (PMU{Type: 8}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, bad := range [][2]string{{"", "config:0"}, {"8", "config:0-3"}, {"8", "0"}} {
		if got, err := ParsePMU(bad[0], bad[1]); err == nil {
			t.Errorf("ParsePMU(%q, %q) = %+v, want an error", bad[0], bad[1], got)
		}
	}
}

func TestTheBlacklistIsReadAsRanges(t *testing.T) {
	text := "0xffffffff920081a0-0xffffffff920081d0\twarn_thunk_thunk\n0x0000000000000000-0x0000000000000000\thidden\n"
	got, err := ParseBlacklist(strings.NewReader(text))
	want := []Range{{0xffffffff920081a0, 0xffffffff920081d0, "warn_thunk_thunk"}, {0, 0, "hidden"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n-want +got:\n%s", err, diff)
	}
	if _, err := ParseBlacklist(strings.NewReader(text + "oops\n")); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("got %v, want an error of line 3", err)
	}
}

func TestTraceableFunctionsComeWithTheirModuleAndWithoutPlaceholders(t *testing.T) {
	text := "vfs_read\n__ftrace_invalid_address___64\nnf_conntrack_in [nf_conntrack]\nvfs_write\n"
	var got []string
	for symbol, module := range Traceable(strings.NewReader(text)) {
		if got = append(got, module+":"+symbol); len(got) == 2 {
			break
		}
	}
	if diff := cmp.Diff([]string{":vfs_read", "nf_conntrack:nf_conntrack_in"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
