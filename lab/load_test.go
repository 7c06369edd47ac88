package lab

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestALoadIsNamedWithCountThreadsAndPause(t *testing.T) {
	for text, want := range map[string][]work{
		"unix":           {{"unix", 0, 1, 10 * time.Millisecond}},
		"umask:500000x2": {{"umask", 500000, 2, 0}},
		"tcp:100@1ms":    {{"tcp", 100, 1, time.Millisecond}},
		"files@0s":       {{"files", 0, 1, 0}},
		"all:3": {
			{"unix", 3, 1, 10 * time.Millisecond}, {"files", 3, 1, 10 * time.Millisecond},
			{"tcp", 3, 1, 10 * time.Millisecond}, {"fork", 3, 1, 10 * time.Millisecond},
		},
	} {
		got, err := parseLoad(text)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(work{})); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestAMalformedLoadSaysWhatIsWanted(t *testing.T) {
	for text, want := range map[string]string{
		"":             "there are files, fork, tcp, umask, unix, all",
		"unxi":         `no load "unxi"`,
		"umask:0":      "want NAME[:COUNT",
		"umask:many":   "want NAME[:COUNT",
		"umask:5x0":    "want NAME[:COUNT",
		"unix@quickly": "want NAME[:COUNT",
	} {
		if _, err := parseLoad(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestALoadDoesExactlyItsCount(t *testing.T) {
	for text, want := range map[string]int{"umask:1001x4": 1001, "unix:3@0s": 3, "tcp:3@0s": 3, "files:3@0s": 3} {
		if got, err := Load(t.Context(), text); got != want || err != nil {
			t.Errorf("%s: %d operations, %v; want %d", text, got, err, want)
		}
	}
}

func TestALoadWithoutACountEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got, err := Load(ctx, "umask"); got == 0 || err != nil {
		t.Errorf("%d operations, %v; want some and no error", got, err)
	}
}
