package ktrap_test

import (
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room is a row of docs/ARCHITECTURE.md.
type room struct {
	floor    int
	pure     bool
	contract string
}

// impure are packages of the standard library that a pure room may not use.
var impure = []string{"os", "net", "syscall", "os/exec", "os/signal", "io/ioutil", "plugin"}

// thirdParty says which rooms may import what is not ours.
var thirdParty = map[string][]string{
	"github.com/cilium/ebpf/asm":         nil, // anywhere
	"github.com/cilium/ebpf/btf":         nil,
	"github.com/cilium/ebpf":             {"ktrap", "ktrap/internal/bench", "ktrap/internal/attach", "ktrap/internal/stream", "ktrap/internal/kernel"},
	"golang.org/x/arch/arm64/arm64asm":   {"ktrap/internal/disasm"},
	"golang.org/x/arch/x86/x86asm":       {"ktrap/internal/disasm"},
	"github.com/spf13/cobra":             {"ktrap/internal/cli"},
	"github.com/spf13/pflag":             {"ktrap/internal/cli"},
	"github.com/cavaliergopher/cpio":     {"ktrap/lab"},
	"golang.org/x/term":                  {"ktrap/internal/cli", "ktrap/lab"},
	"github.com/google/go-cmp/cmp":       nil,
	"github.com/hashicorp/yamux":         {"ktrap/lab"},
	"github.com/mikelolasagasti/xz":      {"ktrap/lab", "ktrap/internal/vmlinux"},
	"github.com/klauspost/compress/zstd": {"ktrap/internal/vmlinux"},
	"github.com/pierrec/lz4/v4":          {"ktrap/internal/vmlinux"},
	"github.com/ulikunitz/xz/lzma":       {"ktrap/internal/vmlinux"},
	"github.com/rogpeppe/go-internal":    nil,
}

func TestTheTableOfRoomsIsTheCode(t *testing.T) {
	table := readTable(t)
	packages := readPackages(t)
	for path, pkg := range packages {
		r, ok := table[path]
		if !ok {
			t.Errorf("docs/ARCHITECTURE.md has no row for %s", path)
			continue
		}
		if synopsis := new(doc.Package).Synopsis(pkg.Doc); synopsis != r.contract {
			t.Errorf("%s: the package comment begins\n\t%s\nthe table says\n\t%s", path, synopsis, r.contract)
		}
		for _, imported := range pkg.Imports {
			checkImport(t, table, path, imported)
		}
	}
	for path := range table {
		if packages[path] == nil {
			t.Errorf("docs/ARCHITECTURE.md has a row for %s, which is not there", path)
		}
	}
}

func checkImport(t *testing.T, table map[string]room, path, imported string) {
	t.Helper()
	from := table[path]
	to, ours := table[imported]
	switch {
	case ours && to.floor >= from.floor:
		t.Errorf("%s (floor %d) imports %s (floor %d): a room imports lower floors only", path, from.floor, imported, to.floor)
	case ours && from.pure && !to.pure:
		t.Errorf("%s is pure and imports %s, which is not", path, imported)
	case from.pure && (slices.Contains(impure, imported) || strings.HasPrefix(imported, "golang.org/x/sys")):
		t.Errorf("%s is pure and imports %s", path, imported)
	}
	if rooms, listed := thirdParty[imported]; listed && rooms != nil && !slices.Contains(rooms, path) {
		t.Errorf("%s imports %s, which only %v may", path, imported, rooms)
	} else if !listed && !ours && strings.Contains(strings.Split(imported, "/")[0], ".") && !strings.HasPrefix(imported, "golang.org/x/sys") {
		t.Errorf("%s imports %s, which no rule knows", path, imported)
	}
}

// readTable reads the rows "| floor | `package` | pure | contract |".
func readTable(t *testing.T) map[string]room {
	text, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]room{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		floor, err := strconv.Atoi(cells[0])
		if err != nil {
			continue
		}
		path := strings.Trim(cells[1], "`")
		if path != "ktrap" {
			path = "ktrap/" + path
		}
		table[path] = room{floor: floor, pure: cells[2] == "P", contract: cells[3]}
	}
	return table
}

// readPackages finds every package of the module that is no example.
func readPackages(t *testing.T) map[string]*build.Package {
	packages := map[string]*build.Package{}
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); name == "testdata" || name == "examples" || len(name) > 1 && name[0] == '.' {
			return filepath.SkipDir
		}
		pkg, err := build.Default.ImportDir(dir, 0)
		if err != nil {
			return nil // no Go files
		}
		pkg.Doc = packageComment(t, pkg)
		packages[filepath.ToSlash(filepath.Join("ktrap", dir))] = pkg
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func packageComment(t *testing.T, pkg *build.Package) string {
	for _, name := range pkg.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if file.Doc != nil {
			return file.Doc.Text()
		}
	}
	return ""
}
