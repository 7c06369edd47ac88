package cli

import (
	"strings"
	"testing"
)

func TestAMistakeInCallingLabBootsNothing(t *testing.T) {
	for _, c := range []struct {
		args string
		exit int
		says string
	}{
		{"lab", exitUsage, "no command to run"},
		{"lab --cpus many -- true", exitUsage, "--cpus"},
		{"lab --cpus 0 -- true", exitUsage, "--cpus must be above 0"},
		{"lab --memory 0 -- true", exitUsage, "--memory must be above 0"},
		{"lab --timeout -1s -- true", exitUsage, "--timeout must be above 0"},
		{"lab --arch vax -- true", exitFailed, `no architecture "vax": there are amd64, arm64`},
		{"lab -k /no/such/vmlinuz -- true", exitFailed, "read kernel /no/such/vmlinuz"},
		{"lab --load unxi -- true", exitFailed, `no load "unxi": there are`},
		{"lab load", exitUsage, "want the name of one load"},
		{"lab load umask:x", exitFailed, "want NAME[:COUNT"},
	} {
		var out, errs strings.Builder
		exit := Main(strings.Fields(c.args), Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		if exit != c.exit || !strings.Contains(errs.String(), c.says) || out.Len() > 0 {
			t.Errorf("%s: exit %d, %q, %q; want exit %d and %q", c.args, exit, &out, &errs, c.exit, c.says)
		}
	}
}

func TestALoadSaysHowMuchItDid(t *testing.T) {
	var out, errs strings.Builder
	exit := Main([]string{"lab", "load", "umask:1000x2"}, Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
	if exit != exitDone || out.String() != "umask:1000x2: 1000 operations\n" {
		t.Errorf("exit %d, %q, %q", exit, &out, &errs)
	}
}
