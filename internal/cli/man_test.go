package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra/doc"
)

var update = flag.Bool("update", false, "write the man pages anew")

func TestTheManPagesAreThoseOfTheCommands(t *testing.T) {
	root := newRoot(Streams{})
	root.DisableAutoGenTag = true
	dir := t.TempDir()
	if *update {
		dir = "../../docs/man"
	}
	date := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	header := &doc.GenManHeader{Section: "1", Source: "ktrap", Manual: "ktrap", Date: &date}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 4 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		want, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../../docs/man", filepath.Base(page)))
		if err != nil || !bytes.Equal(want, got) {
			t.Errorf("docs/man/%s is stale, write it anew by: go test ./internal/cli -run ManPages -update\n%v%s",
				filepath.Base(page), err, cmp.Diff(string(got), string(want)))
		}
	}
}
