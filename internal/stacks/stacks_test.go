package stacks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func sample() []Sample {
	read := []Frame{{Name: "vfs_read", Addr: 0xffffffff81000000}, {Name: "ksys_read+0x20", Addr: 0xffffffff81000020}, {Name: "main.run", Addr: 0x401000, Mapping: "/bin/x"}}
	return []Sample{
		{Frames: read, Labels: []Label{{"comm", "dd"}}, Count: 7},
		{Frames: read[1:], Labels: []Label{{"comm", "dd"}}, Count: 2},
		{Labels: []Label{{"comm", "a;b"}}, Count: 1},
	}
}

func TestAStackIsFoldedIntoALine(t *testing.T) {
	want := "dd;main.run;ksys_read;vfs_read 7\ndd;main.run;ksys_read 2\na:b 1\n"
	if got := string(AppendFolded(nil, sample())); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestATreeAddsUp(t *testing.T) {
	root := Tree(sample())
	if root.Count != 10 || root.Count != Total(sample()) {
		t.Errorf("the root has %d, want 10", root.Count)
	}
	at := root
	for _, want := range []struct {
		name  string
		count uint64
	}{{"dd", 9}, {"main.run", 9}, {"ksys_read", 9}, {"vfs_read", 7}} {
		at = at.Children[0]
		if at.Name != want.name || at.Count != want.count {
			t.Errorf("got %s %d, want %v", at.Name, at.Count, want)
		}
	}
}

func TestPprofOpensAProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stacks.pb.gz")
	w, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := WritePprof(w, sample(), time.Unix(1, 0), time.Second); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out, err := exec.Command("go", "tool", "pprof", "-top", "-cum", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"Type: hits", "vfs_read", "ksys_read", "main.run"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("pprof does not tell %s: %s", want, out)
		}
	}
}
