package compile_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	ebtf "github.com/cilium/ebpf/btf"

	"ktrap/internal/btf"
	"ktrap/internal/compile"
	"ktrap/internal/diag"
	"ktrap/internal/object"
)

// smallKernel knows one function, ssize_t vfs_read(struct file *file, char *buf,
// size_t count, loff_t *pos), and what its parameters point to.
func smallKernel(t testing.TB) *btf.Spec {
	t.Helper()
	spec, err := btf.Parse(smallBTF(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func smallBTF(t testing.TB) []byte {
	t.Helper()
	char := &ebtf.Int{Name: "char", Size: 1, Encoding: ebtf.Signed}
	long := &ebtf.Int{Name: "long int", Size: 8, Encoding: ebtf.Signed}
	size := &ebtf.Typedef{Name: "size_t", Type: &ebtf.Int{Name: "long unsigned int", Size: 8}}
	loff := &ebtf.Typedef{Name: "loff_t", Type: &ebtf.Int{Name: "long long int", Size: 8, Encoding: ebtf.Signed}}
	inode := &ebtf.Struct{Name: "inode", Size: 16, Members: []ebtf.Member{
		{Name: "i_ino", Type: size},
		{Name: "i_mode", Type: &ebtf.Int{Name: "short unsigned int", Size: 2}, Offset: 64},
	}}
	file := &ebtf.Struct{Name: "file", Size: 24, Members: []ebtf.Member{
		{Name: "f_inode", Type: &ebtf.Pointer{Target: inode}},
		{Name: "f_pos", Type: loff, Offset: 64},
		{Name: "f_open", Type: &ebtf.Int{Name: "unsigned int", Size: 4}, Offset: 128, BitfieldSize: 1},
	}}
	read := &ebtf.Func{Name: "vfs_read", Type: &ebtf.FuncProto{Return: &ebtf.Typedef{Name: "ssize_t", Type: long}, Params: []ebtf.FuncParam{
		{Name: "file", Type: &ebtf.Pointer{Target: file}},
		{Name: "buf", Type: &ebtf.Pointer{Target: char}},
		{Name: "count", Type: size},
		{Name: "pos", Type: &ebtf.Pointer{Target: loff}},
	}}}
	var b ebtf.Builder
	if _, err := b.Add(read); err != nil {
		t.Fatal(err)
	}
	data, err := b.Marshal(nil, &ebtf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var wantComment = regexp.MustCompile(`\s*// want ([a-z-]+) at (\d+)$`)

// Each file of testdata/refused has one mistake. It stands on the line that says
// so: "// want CODE at COLUMN".
func TestEachMistakeIsRefusedWhereItStands(t *testing.T) {
	names, err := filepath.Glob("testdata/refused/*.go")
	if err != nil || len(names) < 60 {
		t.Fatalf("%d refused handlers: %v", len(names), err)
	}
	spec := smallKernel(t)
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".go"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			src, code, line, column := wanted(t, string(text))
			errs := mistakes(compile.Source{Name: filepath.Base(name), Text: src}, compile.Env{BTF: spec})
			if len(errs) == 0 {
				t.Fatalf("accepted, want %s at %d:%d", code, line, column)
			}
			if e := errs[0]; e.Code != code || e.Pos.Line != line || e.Pos.Column != column {
				t.Errorf("got\n%s\nwant %s at %d:%d", errs.Render(func(string) []byte { return src }), code, line, column)
			}
		})
	}
}

// mistakes are those that Check finds, or else Emit.
func mistakes(src compile.Source, env compile.Env) diag.List {
	u, errs := compile.Check(src, env)
	if u == nil {
		return errs
	}
	for _, h := range u.Handlers {
		if _, err := h.Emit(compile.Target{Context: object.Kprobe, Bare: true}); err != nil {
			return err.(diag.List)
		}
	}
	return nil
}

// wanted takes the expectation out of a file: the comment itself would be part of
// what is compiled.
func wanted(t *testing.T, text string) (src []byte, code diag.Code, line, column int) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for i, s := range lines {
		if m := wantComment.FindStringSubmatch(s); m != nil {
			lines[i] = strings.TrimSuffix(s, m[0])
			code, line = diag.Code(m[1]), i+1
			column, _ = strconv.Atoi(m[2])
		}
	}
	if code.Explain() == "" {
		t.Fatalf("no expectation, or one of no code: %q", code)
	}
	return []byte(strings.Join(lines, "\n")), code, line, column
}

// Whatever the text, a handler file is compiled or refused.
func FuzzAFileIsCompiledOrRefused(f *testing.F) {
	for _, pattern := range []string{"testdata/refused/*.go", "testdata/handlers/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	for n := range uint64(5) {
		f.Add([]byte(asHandler.Replace(randomFile(1, n).text)))
	}
	env := compile.Env{BTF: smallKernel(f)}
	f.Fuzz(func(t *testing.T, text []byte) {
		u, errs := compile.Check(compile.Source{Name: "fuzz.go", Text: text}, env)
		if (u == nil) != (len(errs) > 0) {
			t.Fatalf("a unit %v with mistakes %v", u != nil, errs)
		}
		errs.Render(func(string) []byte { return text })
		if u == nil {
			return
		}
		for _, h := range u.Handlers {
			o, err := h.Emit(compile.Target{Context: object.Kprobe, Bare: true})
			if (o == nil) != (err != nil) {
				t.Fatalf("an object %v with error %v", o != nil, err)
			}
			var code bytes.Buffer
			if err == nil {
				if err := o.Insns.Marshal(&code, binary.LittleEndian); err != nil {
					t.Fatalf("what was emitted can't be encoded: %v", err)
				}
			}
		}
	})
}

// What the compiler may say is shown by a file, or by the test below.
func TestEachCodeOfAMistakeIsShown(t *testing.T) {
	shown := map[diag.Code]bool{diag.Syntax: true, diag.TooLong: true, diag.TooDeep: true}
	names, _ := filepath.Glob("testdata/refused/*.go")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, code, _, _ := wanted(t, string(text))
		shown[code] = true
	}
	for code := range diag.Codes() {
		if !shown[code] && !strings.HasPrefix(string(code), "verifier-") {
			t.Errorf("no file of testdata/refused has %s", code)
		}
	}
}

func TestAFileWithoutFormOrMeasureIsRefusedAtOnce(t *testing.T) {
	body := func(text string) string { return "package trap\n\nvar n uint64\n\nfunc pre() {\n" + text + "\n}\n" }
	for _, c := range []struct {
		name, text string
		want       diag.Code
	}{
		{"no Go", body("if n == 1"), diag.Syntax},
		{"two million bytes", body(strings.Repeat("\tn++\n", 400_000)), diag.TooLong},
		{"a thousand brackets", body("n = " + strings.Repeat("(", 1000) + "1" + strings.Repeat(")", 1000)), diag.TooDeep},
		{"a thousand blocks", body(strings.Repeat("{", 1000) + strings.Repeat("}", 1000)), diag.TooDeep},
		{"a thousand signs", body("n = " + strings.Repeat("-", 1000) + "n"), ""},
		{"10,000 lines", body(strings.Repeat("\tn++\n", 10_000)), ""},
		{"10,000 variables", "package trap\n" + strings.Repeat("var _ uint64\n", 10_000) + "func pre() {}\n", ""},
	} {
		start := time.Now()
		errs := mistakes(compile.Source{Name: "large.go", Text: []byte(c.text)}, compile.Env{BTF: smallKernel(t)})
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: %v", c.name, took)
		}
		if c.want != "" && (len(errs) == 0 || errs[0].Code != c.want) {
			t.Errorf("%s: got %.200v, want %s", c.name, errs, c.want)
		}
		t.Logf("%s: %v, %d mistakes", c.name, time.Since(start), len(errs))
	}
}
