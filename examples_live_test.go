//go:build live

package ktrap_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// examples has a trial for each handler of examples/handlers: what it says in its
// first line. There is no disk to send requests to.
var examples = map[string]trial{
	"blocksizes": {do: fsync, want: want{"requests[*]": exactly(0)}},
	"connects":   {do: times(3, connectTCP), want: want{"corpus to 127.0.0.1 port *: * us": exactly(3), "attempts[*]": exactly(0)}},
	"execs":      {do: times(2, execNothing), want: want{"* (child of *, *) became /proc/self/exe": exactly(2)}},
	"faults":     {do: useMemory, want: want{`faults[{.by="corpus", .write=true}]`: between(4, 40), "faultsFrom[*]": atLeast(4)}},
	"oom":        {do: invokeOOM, want: want{"*: corpus (*) goes for *, adjusted by 1000": exactly(1)}},
	"opens":      {do: times(3, openMissing), want: want{`opened[{.by="corpus", .file="/no/such file"}]`: exactly(3)}},
	"slowfsync":  {do: times(2, fsync), want: want{"corpus waited * us for synced: 0": exactly(2), "fsyncing.count": exactly(2)}, set: map[string]string{"slowest": "1"}},
}

func TestTheExamplesFindWhatTheySay(t *testing.T) {
	files, err := filepath.Glob("examples/handlers/*.go")
	must(t, err)
	c, tried := startCorpus(t), 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".go")
		if strings.HasSuffix(name, "_test") {
			continue
		}
		tried++
		t.Run(name, func(t *testing.T) {
			trial, ok := examples[name]
			if !ok {
				t.Fatal("there is no trial of this handler: what is to be done, and what must it find?")
			}
			text, err := os.ReadFile(file)
			must(t, err)
			c.try(t, name+".go", text, trial)
		})
	}
	if tried != len(examples) {
		t.Errorf("%d files for %d trials", tried, len(examples))
	}
}
