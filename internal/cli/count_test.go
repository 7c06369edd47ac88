package cli

import "testing"

func TestALinearScaleIsAStepOrARange(t *testing.T) {
	for text, want := range map[string][3]int64{
		"":            {},
		"10":          {0, 1000, 10},
		"0..4096/256": {0, 4096, 256},
		"-10..0x10/1": {-10, 16, 1},
		"5":           {0, 500, 5},
	} {
		if got, err := parseSteps(text); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0", "-1", "x", "1..2", "2..1/1", "1/1", "../1", "0..10/0", "0..10/", "99999999999999999999"} {
		if got, err := parseSteps(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
