package cli

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap"
)

func TestADiagnosisTellsEachReasonOnceAndEndsWithWhatToMend(t *testing.T) {
	privileges := ktrap.Ability{
		Name: "privileges", State: "no", Group: "needed", For: "any probe",
		Why: "this process lacks CAP_BPF", Mend: "run it as root",
	}
	d := &ktrap.Diagnosis{
		Release: "6.12.117", Arch: "amd64", Online: 2, Possible: 4,
		Abilities: []ktrap.Ability{
			privileges,
			{Name: "bpf", State: "unknown", Group: "needed", For: "handlers", Why: privileges.Why, Mend: privileges.Mend},
			{Name: "btf", State: "yes", Group: "extras", For: "types"},
			{Name: "kcore", State: "no", Group: "extras", For: "code", Why: "built without it"},
		},
		Obstacle: &privileges,
	}
	want := `Linux 6.12.117 on amd64, 2 of 4 CPUs online

needed
  ✗ privileges          any probe: this process lacks CAP_BPF
                        → run it as root
  ? bpf                 handlers: as above

extras
  ✓ btf                 types
  ✗ kcore               code: built without it

ktrap trace can't work here: this process lacks CAP_BPF.
First: run it as root
`
	if diff := cmp.Diff(want, diagnosisText(d, false)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestADiagnosisWithoutObstacleSaysSo(t *testing.T) {
	d := &ktrap.Diagnosis{Release: "6.1", Arch: "arm64", Online: 1, Possible: 1,
		Abilities: []ktrap.Ability{{Name: "btf", State: "yes", Group: "extras", For: "types"}}}
	want := "Linux 6.1 on arm64, 1 of 1 CPUs online\n\nextras\n  \x1b[32m✓\x1b[0m btf                 types\n\nktrap trace can work here.\n"
	if diff := cmp.Diff(want, diagnosisText(d, true)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
