package capture

import (
	"strings"
	"testing"

	cilium "github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/object"
)

// sample is the BTF of
//
//	struct file { int mode; char *name; struct file *next; };
//	int open_file(struct file *f, const char *path, unsigned long size);
//	void close_all(void);
//	struct pair { long a, b; };
//	struct pair both(int fd);
//	struct big { long all[4]; } huge(int fd);
//	long seven(long, long, long, long, long, long, int flags, struct pair p);
func sample(t *testing.T) *btf.Spec {
	t.Helper()
	integer := &cilium.Int{Name: "int", Size: 4, Encoding: cilium.Signed}
	char := &cilium.Int{Name: "char", Size: 1, Encoding: cilium.Signed}
	long := &cilium.Int{Name: "long", Size: 8, Encoding: cilium.Signed}
	size := &cilium.Int{Name: "unsigned long", Size: 8}
	file := &cilium.Struct{Name: "file", Size: 24}
	file.Members = []cilium.Member{
		{Name: "mode", Type: integer},
		{Name: "name", Type: &cilium.Pointer{Target: char}, Offset: 64},
		{Name: "next", Type: &cilium.Pointer{Target: file}, Offset: 128},
	}
	pair := &cilium.Struct{Name: "pair", Size: 16, Members: []cilium.Member{{Name: "a", Type: long}, {Name: "b", Type: long, Offset: 64}}}
	big := &cilium.Struct{Name: "big", Size: 32, Members: []cilium.Member{{Name: "all", Type: &cilium.Array{Index: integer, Type: long, Nelems: 4}}}}
	seven := []cilium.FuncParam{}
	for range 6 {
		seven = append(seven, cilium.FuncParam{Type: long})
	}
	seven = append(seven, cilium.FuncParam{Name: "flags", Type: integer}, cilium.FuncParam{Name: "p", Type: pair})
	b, err := cilium.NewBuilder([]cilium.Type{
		&cilium.Func{Name: "open_file", Type: &cilium.FuncProto{Return: integer, Params: []cilium.FuncParam{
			{Name: "f", Type: &cilium.Pointer{Target: file}},
			{Name: "path", Type: &cilium.Pointer{Target: &cilium.Const{Type: char}}},
			{Name: "size", Type: size},
		}}},
		&cilium.Func{Name: "close_all", Type: &cilium.FuncProto{Return: &cilium.Void{}}},
		&cilium.Func{Name: "both", Type: &cilium.FuncProto{Return: pair, Params: []cilium.FuncParam{{Name: "fd", Type: integer}}}},
		&cilium.Func{Name: "huge", Type: &cilium.FuncProto{Return: big, Params: []cilium.FuncParam{{Name: "fd", Type: integer}}}},
		&cilium.Func{Name: "seven", Type: &cilium.FuncProto{Return: long, Params: seven}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.Parse(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func checked(t *testing.T, name string, w Want) *Typed {
	t.Helper()
	s := sample(t)
	var id btf.ID
	if name != "" {
		id = s.Funcs(name)[0]
	}
	typed, err := Check(s, id, arch.AMD64, w)
	if err != nil {
		t.Fatal(err)
	}
	return typed
}

// fill writes a record of typed: argument words, the returned word, and what
// reads found, nil for nothing.
func fill(typed *Typed, words []uint64, ret uint64, reads ...[]byte) []byte {
	record := make([]byte, typed.layout.Size)
	for i, w := range words {
		le.PutUint64(record[typed.layout.Args[0]+8*i:], w)
	}
	if typed.Ret > 0 {
		le.PutUint64(record[typed.layout.Ret:], ret)
	}
	for i, r := range reads {
		if r == nil {
			le.PutUint64(record[typed.layout.Faults:], le.Uint64(record[typed.layout.Faults:])|1<<i)
		}
		copy(record[typed.layout.Reads[i]:], r)
	}
	return record
}

func texts(typed *Typed, record []byte, values []Value) []string {
	var out []string
	for _, v := range values {
		out = append(out, v.Decode(typed.Bytes(record, v)).String())
	}
	return out
}

func TestArgumentsAreDecodedFromARecord(t *testing.T) {
	words := []uint64{0xffff888000001000, 0x7f0000001000, 4096}
	file := []byte("\x07\x00\x00\x00\x00\x00\x00\x00\x00\x20\x00\x00\x80\x88\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00")
	for _, c := range []struct {
		name  string
		want  Want
		reads [][]byte
		args  []string
		shown []string
	}{
		{"text", Want{}, [][]byte{[]byte("/etc/passwd\x00")},
			[]string{"f=0xffff888000001000", `path="/etc/passwd"`, "size=4096"}, nil},
		{"text that could not be read", Want{}, [][]byte{nil},
			[]string{"f=0xffff888000001000", "path=0x7f0000001000 (unreadable)", "size=4096"}, nil},
		{"text that was cut", Want{}, [][]byte{append([]byte(strings.Repeat("x", textSize-1)), 0)},
			[]string{"f=0xffff888000001000", `path="` + strings.Repeat("x", textSize-1) + `"…`, "size=4096"}, nil},
		{"a struct", Want{Structs: true}, [][]byte{file, []byte("p\x00")},
			[]string{"f={.mode=7, .name=0xffff888000002000, .next=0x0}", `path="p"`, "size=4096"}, nil},
		{"members", Want{Show: []string{"f->next->mode", "f.name", "size"}}, [][]byte{[]byte("p\x00"), {9, 0, 0, 0}, []byte("n\x00")},
			[]string{"f=0xffff888000001000", `path="p"`, "size=4096"}, []string{"f->next->mode=9", `f.name="n"`, "size=4096"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			typed := checked(t, "open_file", c.want)
			record := fill(typed, words, 0, c.reads...)
			if diff := cmp.Diff(c.args, texts(typed, record, typed.Values)); diff != "" {
				t.Errorf("arguments, -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(c.shown, texts(typed, record, typed.Shown)); diff != "" {
				t.Errorf("shown, -want +got:\n%s", diff)
			}
		})
	}
}

func TestAReturnHasItsValueOrNone(t *testing.T) {
	typed := checked(t, "open_file", Want{Return: true})
	minusTwo := ^uint64(1)
	if got := texts(typed, fill(typed, nil, minusTwo), typed.Values); len(got) != 1 || got[0] != "retval=-2" || typed.Before != 3 {
		t.Errorf("%q behind %d arguments, want retval=-2 behind 3", got, typed.Before)
	}
	if typed = checked(t, "close_all", Want{Return: true}); len(typed.Values) != 0 || typed.Ret > 0 {
		t.Errorf("a function that returns nothing has %d values", len(typed.Values))
	}
}

func TestAReturnedStructIsInTwoRegistersOrInMemory(t *testing.T) {
	typed := checked(t, "both", Want{Return: true, Regs: true})
	record := fill(typed, nil, 1)
	le.PutUint64(record[typed.layout.Ret+8:], 2)
	le.PutUint64(record[typed.layout.Regs:], 99)
	if diff := cmp.Diff([]string{"retval={.a=1, .b=2}"}, texts(typed, record, typed.Values)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	typed = checked(t, "huge", Want{Return: true})
	var all []byte
	for n := range 4 {
		all = le.AppendUint64(all, uint64(n+1))
	}
	record = fill(typed, nil, 0xffff888000001000, all)
	if diff := cmp.Diff([]string{"retval={.all=[1, 2, 3, 4]}"}, texts(typed, record, typed.Values)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if typed.Direct {
		t.Error("a trampoline would serve a function that returns by memory")
	}
	if args := checked(t, "huge", Want{}).Args; args[0].Reg != 1 {
		t.Errorf("the first argument is at %+v, want the second register: the first has the returned struct's address", args[0])
	}
}

func TestArgumentsBehindTheRegistersAreFoundOnTheStack(t *testing.T) {
	typed := checked(t, "seven", Want{})
	record := fill(typed, []uint64{1, 2, 3, 4, 5, 6, 0xffffffff00000007, 8, 9}, 0)
	want := []string{"arg0=1", "arg1=2", "arg2=3", "arg3=4", "arg4=5", "arg5=6", "flags=7", "p={.a=8, .b=9}"}
	if diff := cmp.Diff(want, texts(typed, record, typed.Values)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if typed.Direct {
		t.Error("a function with arguments on the stack counts as one whose arguments are all in registers")
	}
}

func TestWithoutTypesRegistersStandForArguments(t *testing.T) {
	typed := checked(t, "", Want{})
	got := texts(typed, fill(typed, []uint64{1, 2, 3, 4, 5, 6}, 0), typed.Values)
	if diff := cmp.Diff([]string{"di=0x1", "si=0x2", "dx=0x3", "cx=0x4", "r8=0x5", "r9=0x6"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	typed = checked(t, "", Want{Return: true})
	if got := texts(typed, fill(typed, nil, 5), typed.Values); len(got) != 1 || got[0] != "ax=0x5" {
		t.Errorf("the returned value is %q, want ax=0x5", got)
	}
}

func TestWhatCannotBeShownIsRefused(t *testing.T) {
	s := sample(t)
	for _, c := range []struct {
		name string
		fn   string
		want Want
		text string
	}{
		{"a member that is not there", "open_file", Want{Show: []string{"f.nam"}}, "did you mean name?"},
		{"an argument inside the function", "open_file", Want{Inside: true, Show: []string{"f"}}, "entry only"},
		{"without types", "", Want{Show: []string{"f"}}, "not known"},
		{"of a function that returns nothing", "close_all", Want{Return: true, Show: []string{"retval"}}, "retval"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var id btf.ID
			if c.fn != "" {
				id = s.Funcs(c.fn)[0]
			}
			if _, err := Check(s, id, arch.AMD64, c.want); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("the error is %v, want one with %q", err, c.text)
			}
		})
	}
}

func TestPartsOfARecordDoNotOverlap(t *testing.T) {
	typed := checked(t, "open_file", Want{Regs: true, Structs: true, Frames: 4, Show: []string{"f.next.next.mode"}})
	l := typed.layout
	at := object.HeaderSize
	for _, part := range []struct{ start, size int }{
		{l.Faults, 8}, {l.Args[0], 8}, {l.Args[1], 8}, {l.Args[2], 8}, {l.Regs, arch.AMD64.RegsSize},
		{l.Reads[0], 24}, {l.Reads[1], textSize}, {l.Reads[2], 8}, {l.Stack, 8 + 4*8},
	} {
		if part.start != at {
			t.Errorf("a part begins at %d, want %d", part.start, at)
		}
		at += part.size
	}
	if l.Size != at {
		t.Errorf("the record has %d bytes, want %d", l.Size, at)
	}
}

func TestAHeaderIsReadAsItWasWritten(t *testing.T) {
	record := make([]byte, object.HeaderSize)
	le.PutUint64(record[object.TimeOffset:], 5)
	le.PutUint64(record[object.PidOffset:], 100<<32|101)
	le.PutUint32(record[object.ProbeOffset:], 3)
	le.PutUint32(record[object.CPUOffset:], 1)
	le.PutUint64(record[object.LostOffset:], 9)
	copy(record[object.CommOffset:], "bash\x00rest")
	want := Header{Time: 5, PID: 100, TID: 101, Probe: 3, CPU: 1, Full: 9, Comm: []byte("bash")}
	if diff := cmp.Diff(want, ParseHeader(record)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
