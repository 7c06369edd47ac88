package ktrap

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAProbeThatMakesNoSenseIsRefused(t *testing.T) {
	handler := Func(func(*Event) {})
	for _, c := range []struct {
		name  string
		probe *Probe
		want  string
	}{
		{"nil", nil, "nil"},
		{"no place", &Probe{}, "a symbol or an address"},
		{"two places", &Probe{Symbol: "vfs_read", Addr: 1}, "not both"},
		{"an address with an offset", &Probe{Addr: 1, Offset: 4}, "neither an offset nor a module"},
		{"an address in a module", &Probe{Addr: 1, Module: "ext4"}, "neither an offset nor a module"},
		{"a return from an offset", &Probe{Symbol: "vfs_read", Offset: 4, Return: true}, "entry"},
		{"Pre at a return", &Probe{Symbol: "vfs_read", Return: true, Pre: handler}, "Ret, not Pre"},
		{"Ret at an entry", &Probe{Symbol: "vfs_read", Ret: handler}, "Ret needs Return"},
		{"a handler without a function", &Probe{Symbol: "vfs_read", Pre: &Handler{}}, "make it with Func"},
		{"a name that is too long", &Probe{Symbol: "vfs_read", Comm: "sixteen-letters!"}, "15 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.probe.check(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
	if err := (&Probe{Symbol: "vfs_read", Pre: handler}).check(); err != nil {
		t.Errorf("a good probe: %v", err)
	}
	if _, err := new(Session).Register(t.Context(), nil); err == nil {
		t.Error("a nil probe was registered")
	}
	if Func(nil) != nil {
		t.Error("no function makes a handler")
	}
}

func onHit(*Event) {}

func TestAProbeIsWrittenAndReadAsJSON(t *testing.T) {
	p := Probe{Symbol: "vfs_read", Module: "m", Offset: 4, Regs: true, Show: "file.f_flags", PID: 7, Pre: Func(onHit)}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"symbol":"vfs_read","module":"m","offset":4,"pre":{"func":"ktrap.onHit"},"regs":true,"show":"file.f_flags","pid":7}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var again Probe
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if err := again.check(); err == nil || !strings.Contains(err.Error(), "ktrap.onHit") {
		t.Errorf("a handler that was only named: %v", err)
	}
	again.Pre = p.Pre
	if again != p {
		t.Errorf("read back: %+v, want %+v", again, p)
	}
}
