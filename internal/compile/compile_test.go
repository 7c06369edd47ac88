package compile

import "testing"

func TestEveryPassFindsWhatItNeeds(t *testing.T) {
	given := map[string]bool{"": true}
	for _, p := range append(append([]pass{}, early...), late...) {
		if !given[p.needs] {
			t.Errorf("pass %s needs %q, which no pass before it gives", p.name, p.needs)
		}
		given[p.gives] = true
	}
}
