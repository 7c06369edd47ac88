package oneliner

import (
	"encoding/binary"
	"errors"
	"fmt"
	"go/format"
	"strings"
	"testing"

	ebtf "github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"ktrap/internal/btf"
	"ktrap/internal/compile"
	"ktrap/internal/diag"
	"ktrap/internal/place"
)

// kernel knows ssize_t vfs_read(struct file *file, char *buf, size_t count),
// ssize_t vfs_write(struct file *file, u32 count, u32 hits) and
// long key_put(struct key *key).
func kernel(t testing.TB) compile.Env {
	t.Helper()
	long := &ebtf.Int{Name: "long int", Size: 8, Encoding: ebtf.Signed}
	size := &ebtf.Int{Name: "long unsigned int", Size: 8}
	small := &ebtf.Int{Name: "unsigned int", Size: 4}
	char := &ebtf.Pointer{Target: &ebtf.Int{Name: "char", Size: 1, Encoding: ebtf.Signed}}
	file := &ebtf.Pointer{Target: &ebtf.Struct{Name: "file", Size: 32, Members: []ebtf.Member{
		{Name: "f_mode", Type: small},
		{Name: "f_pos", Type: long, Offset: 64},
		{Name: "f_name", Type: char, Offset: 128},
	}}}
	key := &ebtf.Pointer{Target: &ebtf.Struct{Name: "key", Size: 4, Members: []ebtf.Member{{Name: "usage", Type: small}}}}
	var b ebtf.Builder
	for _, fn := range []*ebtf.Func{
		{Name: "vfs_read", Type: &ebtf.FuncProto{Return: long, Params: []ebtf.FuncParam{{Name: "file", Type: file}, {Name: "buf", Type: char}, {Name: "count", Type: size}}}},
		{Name: "vfs_write", Type: &ebtf.FuncProto{Return: long, Params: []ebtf.FuncParam{{Name: "file", Type: file}, {Name: "count", Type: small}, {Name: "hits", Type: small}}}},
		{Name: "key_put", Type: &ebtf.FuncProto{Return: long, Params: []ebtf.FuncParam{{Name: "key", Type: key}}}},
	} {
		if _, err := b.Add(fn); err != nil {
			t.Fatal(err)
		}
	}
	data, err := b.Marshal(nil, &ebtf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return compile.Env{BTF: spec}
}

func TestARequestIsWrittenAsAHandlerFile(t *testing.T) {
	env := kernel(t)
	read := []string{"vfs_read"}
	by := func(text string) Expr { return Expr{"--by", text} }
	of := func(text string) Expr { return Expr{"EXPR", text} }
	for name, test := range map[string]struct {
		request Request
		want    string
	}{
		"hits": {Request{Places: []string{"vfs_*"}}, `
var hits map[point]uint64

//ktrap:pre vfs_*
func at() {
	hits[place()]++
}
`},
		"latency": {Request{What: Latency, Places: read}, `
// Nanoseconds from the entry to the return.
var (
	took  hist
	calls stat
)

//ktrap:pre vfs_read
func at() uint64 {
	return nsecs()
}

//ktrap:ret vfs_read
func done(c uint64) {
	ns := nsecs() - c
	took.add(ns)
	calls.add(ns)
}
`},
		"latency by what the entry has": {Request{What: Latency, Places: read, By: by("comm,file.f_mode"), If: Expr{"--if", "count > 4096"}}, `
type key struct {
	comm   string
	f_mode uint32
}

type call struct {
	at  uint64
	key key
}

// Nanoseconds from the entry to the return.
var (
	took  map[key]hist
	calls map[key]stat
)

//ktrap:pre vfs_read
func at(file *file, count uint64) (call, bool) {
	return call{nsecs(), key{comm(), file.f_mode}}, count > 4096
}

//ktrap:ret vfs_read
func done(c call) {
	ns := nsecs() - c.at
	took[c.key].add(ns)
	calls[c.key].add(ns)
}
`},
		"latency if what is returned": {Request{What: Latency, Places: read, If: Expr{"--if", "retval < 0 || count == 0"}, PID: 7}, `
// Nanoseconds from the entry to the return.
var (
	took  hist
	calls stat
)

//ktrap:pre vfs_read
func at() (uint64, bool) {
	return nsecs(), pid() == 7
}

//ktrap:ret vfs_read
func done(c uint64, count uint64, retval int64) {
	ns := nsecs() - c
	if retval < 0 || count == 0 {
		took.add(ns)
		calls.add(ns)
	}
}
`},
		"latency by what is returned": {Request{What: Latency, Places: read, By: by("retval")}, `
// Nanoseconds from the entry to the return.
var (
	took  map[int64]hist
	calls map[int64]stat
)

//ktrap:pre vfs_read
func at() uint64 {
	return nsecs()
}

//ktrap:ret vfs_read
func done(c uint64, retval int64) {
	ns := nsecs() - c
	k := retval
	took[k].add(ns)
	calls[k].add(ns)
}
`},
		"latency by what the entry has and what is returned": {Request{What: Latency, Places: read, By: by("comm, retval < 0,file.f_pos, r.di"), If: Expr{"--if", "count > 4096"}}, `
type key struct {
	comm  string
	key2  bool
	f_pos int64
	di    uint64
}

type call struct {
	at    uint64
	comm  string
	f_pos int64
	di    uint64
}

// Nanoseconds from the entry to the return.
var (
	took  map[key]hist
	calls map[key]stat
)

//ktrap:pre vfs_read
func at(file *file, count uint64, r *regs) (call, bool) {
	return call{nsecs(), comm(), file.f_pos, r.di}, count > 4096
}

//ktrap:ret vfs_read
func done(c call, retval int64) {
	ns := nsecs() - c.at
	k := key{c.comm, retval < 0, c.f_pos, c.di}
	took[k].add(ns)
	calls[k].add(ns)
}
`},
		"a word without brackets": {Request{Places: read, By: by("comm")}, `
var hits map[string]uint64

//ktrap:pre vfs_read
func at() {
	hits[comm()]++
}
`},
		"conditions": {Request{Places: read, If: Expr{"--if", "count > file.f_pos || file.f_mode == 1"}, PID: 7, Comm: "dd"}, `
var hits map[point]uint64

//ktrap:pre vfs_read
func at(file *file, count uint64) {
	if pid() == 7 && comm() == "dd" && (int64(count) > file.f_pos || file.f_mode == 1) {
		hits[place()]++
	}
}
`},
		"a number as a condition": {Request{Places: read, If: Expr{"--if", "file.f_mode&2"}}, `
var hits map[point]uint64

//ktrap:pre vfs_read
func at(file *file) {
	if file.f_mode & 2 != 0 {
		hits[place()]++
	}
}
`},
		"a struct of keys": {Request{Places: read, By: by("comm,file.f_mode, str(file.f_name), count+1")}, "\ntype key struct {\n" +
			"\tcomm   string\n\tf_mode uint32\n\tf_name string `size:\"64\"`\n\tkey4   uint64\n}\n" + `
var hits map[key]uint64

//ktrap:pre vfs_read
func at(file *file, count uint64) {
	hits[key{comm(), file.f_mode, str(file.f_name), count + 1}]++
}
`},
		"sums": {Request{Places: read, Of: of("count"), By: by("pid")}, `
var sums map[uint32]stat

//ktrap:pre vfs_read
func at(count uint64) {
	sums[pid()].add(count)
}
`},
		"a histogram of what is returned": {Request{What: Hist, Places: []string{"vfs_read%return"}, Of: of("retval")}, `
var values hist

//ktrap:ret vfs_read
func at(retval int64) {
	values.add(retval)
}
`},
		"steps": {Request{What: Hist, Places: read, Of: of("count"), Linear: Linear{0, 100, 10}, By: by("tid")}, `
var values map[uint32]hist

//ktrap:pre vfs_read
func at(count uint64) {
	values[tid()].linear(count, 0, 100, 10)
}
`},
		"keys of two widths": {Request{Places: []string{"vfs_read", "vfs_write"}, By: by("count")}, `
var hits_ map[uint64]uint64

//ktrap:pre vfs_read
func at1(count uint64) {
	hits_[count]++
}

//ktrap:pre vfs_write
func at2(count uint32) {
	hits_[uint64(count)]++
}
`},
		"all of it": {Request{What: Send, All: true, Stack: true, Places: read, Show: Expr{"--show", "file.f_pos"}}, `
//ktrap:pre vfs_read
func at(file *file, buf *int8, count uint64) {
	emit(file, str(buf), count, file.f_pos, kstack())
}
`},
		"a type and a parameter of the names that the file would use": {Request{Places: []string{"key_put"}, By: Expr{"--by", "key.usage,pid+1"}, PID: 3}, `
type key_ struct {
	usage uint32
	key2  uint32
}

var hits map[key_]uint64

//ktrap:pre key_put
func at(key *key) {
	if pid() == 3 {
		hits[key_{key.usage, pid() + 1}]++
	}
}
`},
		"inside": {Request{What: Send, Places: []string{"vfs_read+0x10"}, Show: Expr{"--show", "r.di,r.si & 0xff"}}, `
//ktrap:pre vfs_read+0x10
func at(r *regs) {
	emit(r.di, r.si & 0xff)
}
`},
	} {
		f, err := Make(test.request, env)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff("package trap\n"+test.want, f.Text); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
		if _, errs := compile.Check(compile.Source{Name: "f.go", Text: []byte(f.Text)}, env); errs != nil {
			t.Errorf("%s: %s", name, errs.Render(func(string) []byte { return []byte(f.Text) }))
		}
	}
}

func TestAMistakeIsToldAtItsColumnInWhatWasTyped(t *testing.T) {
	env := kernel(t)
	for _, test := range []struct {
		what       What
		flag, text string
		column     int
		code       diag.Code
		says       string
	}{
		{Count, "--if", "coun > 10", 1, diag.Undefined, "did you mean count"},
		{Count, "--if", "count > 10 && file.f_mod == 1", 20, diag.UnknownField, "did you mean f_mode"},
		{Count, "--by", "comm,file.f_mod", 11, diag.UnknownField, "did you mean f_mode"},
		{Count, "--by", "comm, cout", 7, diag.Undefined, "did you mean count"},
		{Count, "--if", "count >", 8, diag.Syntax, ""},
		{Count, "--if", "count > 1)", 11, diag.Syntax, "bracket"},
		{Count, "--if", "count, file", 1, diag.Syntax, "2 expressions"},
		{Count, "--if", "comm()", 1, diag.Type, "no condition"},
		{Count, "--if", "comm == 1", 9, diag.Type, ""},
		{Hist, "EXPR", "comm", 1, diag.Type, "no number"},
		{Hist, "EXPR", "str(file)+1", 1, diag.Type, ""},
		{Hist, "EXPR", "count // all", 1, diag.Syntax, "comment"},
		{Hist, "EXPR", "count\n", 1, diag.Syntax, "one line"},
		{Hist, "EXPR", "1) + g(2", 1, diag.Syntax, "no expression"},
		{Hist, "EXPR", "retval()", 1, diag.Context, ""},
		{Hist, "EXPR", "[2]int{1, 2}[0]", 1, diag.NotGoHere, ""},
		{Hist, "EXPR", "1 << 70", 1, diag.Type, ""},
		{Hist, "EXPR", "count / 0", 9, diag.DivideZero, ""},
		{Hist, "EXPR", "func() int { return 1 }()", 1, diag.Closure, ""},
		{Hist, "EXPR", "file.f_pso", 6, diag.UnknownField, "did you mean f_pos"},
		{Send, "--show", "count, file.f_pso", 13, diag.UnknownField, "did you mean f_pos"},
		{Latency, "--by", "comm, file.f_pso", 12, diag.UnknownField, "did you mean f_pos"},
		{Latency, "--by", "comm, retval, file.f_pso", 20, diag.UnknownField, "did you mean f_pos"},
		{Latency, "--by", "comm, retval+cout, pid", 14, diag.Undefined, "did you mean count"},
		{Latency, "--by", "comm, retval, cout", 15, diag.Undefined, "did you mean count"},
		{Latency, "--by", "comm, retval+, pid", 14, diag.Syntax, ""},
		{Latency, "--if", "retval > cout", 10, diag.Undefined, "did you mean count"},
		{Latency, "--if", "cout > 3", 1, diag.Undefined, "did you mean count"},
	} {
		r := Request{What: test.what, Places: []string{"vfs_read"}}
		switch e := (Expr{test.flag, test.text}); test.flag {
		case "--if":
			r.If = e
		case "--by":
			r.By = e
		case "--show":
			r.Show = e
		default:
			r.Of = e
		}
		f, err := Make(r, env)
		var m *Mistake
		if !errors.As(err, &m) {
			t.Errorf("%s %q: got %v\n%s", test.flag, test.text, err, f.Text)
			continue
		}
		e := m.List[0]
		if e.Pos.Column != test.column || e.Code != test.code || !strings.Contains(e.Error(), test.says) || e.Pos.Filename != test.flag || m.Expr.Text != test.text {
			t.Errorf("%s %q: got %v of %q, want %s at %d, %q", test.flag, test.text, e, m.Expr.Text, test.code, test.column, test.says)
		}
	}
}

func TestOneKeyCantBeTwoThings(t *testing.T) {
	_, err := Make(Request{Places: []string{"vfs_read", "vfs_write%return"}, By: Expr{"--by", "retval"}}, kernel(t))
	if err == nil {
		t.Error("an entry has a returned value")
	}
	_, err = Make(Request{Places: []string{"vfs_read", "vfs_write"}, By: Expr{"--by", "buf"}}, kernel(t))
	if err == nil || !strings.Contains(err.Error(), "buf is not declared") {
		t.Errorf("vfs_write has no buf: %v", err)
	}
}

func TestAPatternWhoseFunctionsHaveTheParameterIsAHandlerForEach(t *testing.T) {
	env := kernel(t)
	f, err := Make(Request{Places: []string{"vfs_*"}, By: Expr{"--by", "file.f_mode, count"}}, env)
	if err != nil {
		t.Fatal(err)
	}
	want := `package trap

type key struct {
	f_mode uint32
	count  uint64
}

var hits_ map[key]uint64

//ktrap:pre vfs_read
func at1(file *file, count uint64) {
	hits_[key{file.f_mode, count}]++
}

//ktrap:pre vfs_write
func at2(file *file, count uint32) {
	hits_[key{file.f_mode, uint64(count)}]++
}
`
	if diff := cmp.Diff(want, f.Text); diff != "" {
		t.Error(diff)
	}
	if got := strings.Join(f.Spread, " "); got != "vfs_read vfs_write" {
		t.Errorf("%s are the functions", got)
	}
	match := func(place.Place) []string { return []string{"vfs_write"} }
	if f, err = Make(Request{Places: []string{"vfs_*"}, By: Expr{"--by", "hits"}, Match: match}, env); err != nil || strings.Contains(f.Text, "vfs_read") {
		t.Errorf("the kernel has vfs_write only: %v\n%s", err, f.Text)
	}
}

func TestAPatternSaysWhichFunctionsLackAParameter(t *testing.T) {
	many := func(place.Place) (list []string) {
		for range maxFunctions + 1 {
			list = append(list, "vfs_read")
		}
		return list
	}
	for _, test := range []struct {
		request Request
		column  int
		says    string
	}{
		{Request{By: Expr{"--by", "comm,buf"}}, 6, "buf is no parameter of 1 of the 2 functions of vfs_*: vfs_write (name those that have it: vfs_read)"},
		{Request{If: Expr{"--if", "key.usage == 1"}}, 1, "no function of vfs_* has a parameter of that name"},
		{Request{By: Expr{"--by", "comm,cuont"}}, 6, "did you mean count"},
		{Request{What: Latency, By: Expr{"--by", "retval,file.f_mod"}}, 13, "file has no field f_mod, at vfs_read (did you mean f_mode?)"},
		{Request{What: Hist, Of: Expr{"EXPR", "count"}, Match: many}, 1, "vfs_* has 129 functions, and each needs a handler of its own for count"},
	} {
		test.request.Places = []string{"vfs_*"}
		f, err := Make(test.request, kernel(t))
		var m *Mistake
		if !errors.As(err, &m) || m.List[0].Pos.Column != test.column || !strings.Contains(err.Error(), test.says) {
			t.Errorf("got %v, want column %d, %s\n%s", err, test.column, test.says, f.Text)
		}
	}
}

// Whatever is typed is a mistake or a file that compiles.
func FuzzAnExpressionIsAMistakeOrAFile(f *testing.F) {
	for _, text := range []string{
		"count", "comm,pid", "file.f_mode & 1", "count > file.f_pos", "str(file.f_name)", "kstack", "place()", "r.di",
		"1)\n}\nfunc x() {", "f(", "`", "\"", "//", "/*", "x...", "func() {}", "a,b,,", "*file", "&count", "[]int{1}", "cast[file](count).f_pos",
	} {
		f.Add(text, 0)
		f.Add(text, 1)
		f.Add(text, 2)
	}
	env := kernel(f)
	f.Fuzz(func(t *testing.T, text string, where int) {
		r := Request{Places: []string{"vfs_read"}}
		switch e := (Expr{"flag", text}); where % 4 {
		case 0:
			r.If = e
		case 1:
			r.By = e
		case 2:
			r.What, r.Show = Send, e
		default:
			r.What, r.Of = Hist, e
		}
		file, err := Make(r, env)
		var m *Mistake
		if errors.As(err, &m) {
			for _, e := range m.List {
				if e.Pos.Column < 1 || e.Pos.Column > len(text)+1 {
					t.Errorf("%q: column %d", text, e.Pos.Column)
				}
			}
			return
		}
		if err != nil {
			return
		}
		if _, errs := compile.Check(compile.Source{Name: "f.go", Text: []byte(file.Text)}, env); errs != nil && fits(errs) {
			t.Errorf("%q became\n%s\n%s", text, file.Text, fmt.Sprint(errs))
		}
	})
}

// fits reports whether a file is refused for anything but its size.
func fits(errs diag.List) bool {
	for _, e := range errs {
		switch e.Code {
		case diag.KeySize, diag.ValueSize, diag.StackSize, diag.TooLong, diag.RecordSize:
		default:
			return true
		}
	}
	return false
}

func TestAPathIsWrittenAsAHandlerFile(t *testing.T) {
	f, err := Make(Request{
		What: Path, Places: []string{"vfs_read%return"}, If: Expr{"--if", "err == -EINVAL && count > 4096 && took > 1000"},
		Comm: "dd", Follow: Follow{Calls: 256, Steps: 128, Others: 64, Words: []string{"ax", "bx"}, Inner: true, Constants: map[string]int64{"EINVAL": 22, "EIO": 5}},
	}, kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	_, own, _ := strings.Cut(f.Text, "\towner[row] = 0\n}\n")
	want := `
//ktrap:pre vfs_read
func enter(r *regs) {
	if comm() == "dd" {
		begin(r.sp)
	}
}

//ktrap:pre
func block_ax(r *regs) {
	pass(r.ax)
}

//ktrap:pre
func block_bx(r *regs) {
	pass(r.bx)
}

//ktrap:ret
func back() {
	pass(retval())
}

const EINVAL = 22

func failure(result uint64) int64 {
	n := int64(result)
	if result>>32 == 0 {
		n = int64(int32(result))
	}
	if n >= -4095 && n < 0 {
		return n
	}
	return 0
}

//ktrap:ret vfs_read
func done(count uint64, retval int64) {
	result := uint64(retval)
	if row, whole := end(result); whole {
		took := nsecs() - began[row]
		err := failure(result)
		send(row, err == -EINVAL && count > 4096 && took > 1000, result)
	}
}
`
	if diff := cmp.Diff(want, own); diff != "" {
		t.Error(diff)
	}
	unit, errs := compile.Check(compile.Source{Name: "path.go", Text: []byte(f.Text)}, kernel(t))
	if errs != nil {
		t.Fatal(errs)
	}
	for _, h := range unit.Handlers {
		t.Log(h.Name, h.Kind, h.Place, h.Needs)
	}
	formatted, err := format.Source([]byte(f.Text))
	if diff := cmp.Diff(string(formatted), f.Text); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
