package ktrap

import (
	"encoding/json"
	"testing"
)

func TestAHandlerOfASourceGoesThroughJSON(t *testing.T) {
	for _, c := range []struct {
		handler *Handler
		json    string
	}{
		{Source("package trap"), `{"source":"package trap"}`},
		{Filter("size > 1000"), `{"filter":"size \u003e 1000"}`},
		{File("send.go"), `{"file":"send.go"}`},
		{File("send.go").Function("send"), `{"file":"send.go","function":"send"}`},
	} {
		text, err := json.Marshal(Probe{Symbol: "vfs_read", Pre: c.handler})
		if want := `{"symbol":"vfs_read","pre":` + c.json + `}`; err != nil || string(text) != want {
			t.Errorf("got %s, %v, want %s", text, err, want)
		}
		var p Probe
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		if err := p.check(); err != nil {
			t.Errorf("%s, read again: %v", c.json, err)
		}
		if p.Pre.filter != c.handler.filter {
			t.Errorf("%s was read as %+v", c.json, p.Pre)
		}
		if c.handler.origin == nil {
			continue
		}
		if got, want := *p.Pre.origin, *c.handler.origin; string(got.Text) != string(want.Text) || p.Pre.name != c.handler.name {
			t.Errorf("%s was read as %+v", c.json, got)
		}
	}
}
