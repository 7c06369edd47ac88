package btf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"testing"

	ebtf "github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
)

// raw puts a header before types and strings.
func raw(types []uint32, strings string) []byte {
	b := []byte{0x9f, 0xeb, 1, 0}
	for _, v := range []int{shortHead, 0, 4 * len(types), 4 * len(types), len(strings)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	for _, v := range types {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, strings...)
}

func info(k Kind, vlen uint32) uint32 { return uint32(k)<<24 | vlen }

// with returns data with the bytes at off replaced.
func with(data []byte, off int, b ...byte) []byte {
	data = append([]byte(nil), data...)
	copy(data[off:], b)
	return data
}

func TestMalformedBTFIsRefused(t *testing.T) {
	good := raw([]uint32{1, info(Int, 0), 4, 32}, "\x00int\x00")
	for _, test := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "0 bytes are no header"},
		{"cut in the header", good[:20], "20 bytes are no header"},
		{"cut in the types", good[:30], "types end at byte 16 of 6"},
		{"cut in the strings", good[:42], "strings end at byte 21 of 18"},
		{"other file", with(good, 0, 0x7f, 'E'), "magic 0x457f instead of 0xeb9f"},
		{"big-endian", with(good, 0, 0xeb, 0x9f), "big-endian"},
		{"version", with(good, 2, 2), "version 2 instead of 1"},
		{"short header", with(good, 4, 8), "header of 8 bytes in 45"},
		{"long header", with(good, 4, 0, 0, 0, 0x80), "header of 2147483648 bytes in 45"},
		{"far types", with(good, 8, 0xff, 0xff, 0xff, 0xff), "types end at byte 4294967311 of 21"},
		{"head of a type", raw([]uint32{1, 2}, "\x00"), "type 1 reaches past the 8 bytes that are left of the types"},
		{"members", raw([]uint32{1, info(Struct, 0xffffff), 4, 0, 0}, "\x00"), "type 1 reaches past the 20 bytes that are left of the types"},
		{"no empty string", raw(nil, "int\x00"), "the strings continue those of another BTF, which was not given"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.data, nil)
			if err == nil || err.Error() != "read BTF: "+test.want {
				t.Errorf("got error %v, want %q", err, "read BTF: "+test.want)
			}
		})
	}
}

func TestLyingTypesGiveErrorsWhereTheyAreUsed(t *testing.T) {
	const strings = "\x00a\x00tail"
	for _, test := range []struct {
		name  string
		types []uint32
		use   func(*Spec) error
		want  string
	}{
		{"id", nil, func(s *Spec) error { _, err := s.Type(7); return err }, "type 7 is past the last, 0"},
		{"name", []uint32{99, info(Float, 0), 4}, func(s *Spec) error { _, err := s.Type(1); return err },
			"type 1: name at 99 of 7 bytes of strings"},
		{"unended name", []uint32{3, info(Float, 0), 4}, func(s *Spec) error { _, err := s.Type(1); return err },
			"type 1: name at 3 of 7 bytes of strings"},
		{"typedef of itself", []uint32{1, info(Typedef, 0), 1}, func(s *Spec) error { _, err := s.Strip(1); return err },
			"type 1: types nest without end"},
		{"array of itself", []uint32{0, info(Array, 0), 0, 1, 1, 1}, func(s *Spec) error { _, err := s.Sizeof(1); return err },
			"type 1: types nest without end"},
		{"huge array", []uint32{0, info(Array, 0), 0, 2, 2, 1 << 30, 1, info(Int, 0), 4, 32},
			func(s *Spec) error { _, err := s.Sizeof(1); return err }, "a[1073741824] is larger than 2 GiB"},
		{"size of a function", []uint32{1, info(Func, 0), 2, 0, info(FuncProto, 0), 0},
			func(s *Spec) error { _, err := s.Sizeof(1); return err }, "void a(void) has no size"},
		{"wide bitfield", []uint32{1, info(Struct, 1) | 1<<31, 4, 1, 1, 65 << 24},
			func(s *Spec) error { _, err := s.Members(1); return err }, "member 0 of struct a: a bitfield of 65 bits"},
		{"members of an int", []uint32{1, info(Int, 0), 4, 32}, func(s *Spec) error { _, err := s.Members(1); return err },
			"a is no struct"},
		{"constants of an int", []uint32{1, info(Int, 0), 4, 32}, func(s *Spec) error { _, err := s.Enumerators(1); return err },
			"a is no enum"},
		{"function without prototype", []uint32{1, info(Func, 0), 1}, func(s *Spec) error { _, err := s.Proto(1); return err },
			"prototype of type 1: … a is no prototype"},
		{"parameter of type void", []uint32{1, info(FuncProto, 2), 0, 1, 0, 1, 0}, func(s *Spec) error { _, err := s.Proto(1); return err },
			"parameter 0 of void (void, ...): void has no size"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.use(parse(t, raw(test.types, strings), nil))
			if err == nil || err.Error() != test.want {
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
}

func TestAnUnknownKindLeavesTheTypesBeforeItUsable(t *testing.T) {
	s := parse(t, raw([]uint32{
		1, info(Int, 0), 4, 32,
		0, info(77, 3), 0, 1, 2, 3, 4,
		1, info(Func, 0), 1,
	}, "\x00int\x00"), nil)
	const want = "type 2 is of the unknown kind 77: no type from there on can be read"
	if s.Err() == nil || s.Err().Error() != want {
		t.Errorf("got error %v, want %q", s.Err(), want)
	}
	if got := s.TypeString(one(t, s, "int", Int)); got != "int" {
		t.Errorf("type 1 is %q, want int", got)
	}
	if _, err := s.Type(3); err != s.Err() {
		t.Errorf("got error %v for a type beyond, want %v", err, s.Err())
	}
	if _, err := Parse(raw(nil, ""), s); err == nil {
		t.Error("a split BTF was read on a base whose types cannot be counted")
	}
}

func TestAnUnknownKindWithALayoutIsPassedOver(t *testing.T) {
	types := []uint32{
		0, info(20, 3), 0, 1, 2, 3, 4, // 4 bytes, and 4 for each of 3
		1, info(Func, 0), 1,
	}
	const strings = "\x00int\x00"
	data := raw(types, strings)
	layout := make([]byte, 21*4)
	layout[20*4], layout[20*4+1] = 4, 4
	head := append([]byte{}, data[:shortHead]...)
	head[4] = longHead
	head = le.AppendUint32(head, uint32(4*len(types)+len(strings)))
	head = le.AppendUint32(head, uint32(len(layout)))
	s := parse(t, append(append(head, data[shortHead:]...), layout...), nil)
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	if diff := cmp.Diff([]ID{2}, s.Funcs("int")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	typ, err := s.Type(1)
	if err != nil || typ.Kind.String() != "kind 20" {
		t.Errorf("got %v, %v, want kind 20", typ.Kind, err)
	}
}

func TestNamesAreFoundWhole(t *testing.T) {
	data, _ := sample(t)
	s := parse(t, data, nil)
	for name, want := range map[string]int{
		"tcp_connect": 1, "connect": 1, "twice": 2, "conn": 0, "onnect": 0, "connectt": 0, "": 0, "sock": 0,
	} {
		ids := s.Funcs(name)
		if len(ids) != want {
			t.Errorf("%d functions named %q, want %d", len(ids), name, want)
		}
		for _, id := range ids {
			if typ, err := s.Type(id); err != nil || typ.Name != name {
				t.Errorf("type %d is named %q, want %q (%v)", id, typ.Name, name, err)
			}
		}
	}
	if got := len(s.Types("port", Struct)); got != 1 {
		t.Errorf("%d structs named port, want 1", got)
	}
}

func TestManyNamesAreFoundAsEachAlone(t *testing.T) {
	data, _ := sample(t)
	s := parse(t, data, nil)
	names := []string{"connect", "twice", "nowhere"}
	want := map[string][]ID{}
	for _, name := range names {
		want[name] = s.Funcs(name)
	}
	if diff := cmp.Diff(want, parse(t, data, nil).FuncIndex(names)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEnumeratorsKeepSignAndWidth(t *testing.T) {
	data, _ := sample(t)
	s := parse(t, data, nil)
	for name, want := range map[string]int64{"SHUT": 2, "BAD": -1, "FAR": 1 << 40, "TOP": -1 << 63} {
		if got, ok := s.Enumerator(name); !ok || got != want {
			t.Errorf("%s is %d, %v, want %d", name, got, ok, want)
		}
	}
	for _, name := range []string{"OPENED", "sock"} {
		if _, ok := s.Enumerator(name); ok {
			t.Errorf("%s is an enumerator", name)
		}
	}
}

func TestAOneByteConstantIsCutToTheByte(t *testing.T) {
	s := parse(t, raw([]uint32{1, info(Enum, 1), 1, 1, 0xffffffff}, "\x00bad\x00"), nil)
	got, err := s.Enumerators(1)
	if diff := cmp.Diff([]Enumerator{{"bad", 0xff}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestAPrototypeTellsWhatTheCallingConventionNeeds(t *testing.T) {
	data, _ := sample(t)
	s := parse(t, data, nil)
	got, err := s.Proto(one(t, s, "tcp_connect", Func))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, p := range got.Params {
		lines = append(lines, fmt.Sprintf("%s %s %s %d", s.TypeString(p.Type), p.Name, p.Kind, p.Size))
	}
	want := []string{
		"struct sock * sk pointer 8",
		"volatile size_t arg1 int 8",
		"struct port port struct 4",
		"enum state state enum 4",
		"double f float 8",
	}
	if diff := cmp.Diff(want, lines); diff != "" || !got.Variadic || s.TypeString(got.Return) != "int" {
		t.Errorf("variadic %v, returns %s (-want +got):\n%s", got.Variadic, s.TypeString(got.Return), diff)
	}
}

func TestAModulesTypesContinueTheKernels(t *testing.T) {
	data, _ := sample(t)
	base := parse(t, data, nil)
	n := uint32(base.count())
	sock := uint32(one(t, base, "sock", Struct))
	kernelName := uint32(bytes.Index(base.strings, []byte("\x00connect\x00"))) + 1
	end := uint32(len(base.strings))
	module := raw([]uint32{
		end, info(Typedef, 0), sock, // first string: no empty one before it
		kernelName, info(Func, 0), n + 3,
		0, info(FuncProto, 1), 0, end + 5, n + 1,
	}, "mine\x00who\x00")
	s := parse(t, module, base)
	id := one(t, s, "connect", Func)
	if id != ID(n+2) {
		t.Errorf("the module's connect is type %d, want %d", id, n+2)
	}
	if got, want := s.TypeString(id), "void connect(mine)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if typ, err := s.Strip(one(t, s, "mine", Typedef)); err != nil || typ.Name != "sock" {
		t.Errorf("mine is %q, %v, want the kernel's sock", typ.Name, err)
	}
	if p, err := s.Proto(id); err != nil || p.Params[0].Name != "who" {
		t.Errorf("got %v, %v, want a parameter who", p, err)
	}
	if ids := s.Funcs("tcp_connect"); ids != nil {
		t.Errorf("the module answers for the kernel's function: %v", ids)
	}
	if _, err := Parse(module, nil); err == nil {
		t.Error("a module's BTF was read without the kernel's")
	}
}

func TestTypesAreSpelledAsInC(t *testing.T) {
	pointer := func(to ebtf.Type) ebtf.Type { return &ebtf.Pointer{Target: to} }
	array := func(n uint32, of ebtf.Type) ebtf.Type { return &ebtf.Array{Index: intT, Type: of, Nelems: n} }
	constant := func(of ebtf.Type) ebtf.Type { return &ebtf.Const{Type: of} }
	handler := &ebtf.FuncProto{Return: intT, Params: []ebtf.FuncParam{{Name: "file", Type: pointer(sockT)}, {Type: &ebtf.Void{}}}}
	want := map[ebtf.Type]string{
		pointer(constant(charT)):                                "const char *",
		constant(pointer(charT)):                                "char *const",
		pointer(constant(pointer(charT))):                       "char *const *",
		constant(&ebtf.Volatile{Type: intT}):                    "const volatile int",
		&ebtf.Restrict{Type: pointer(&ebtf.Void{})}:             "void *restrict",
		array(16, u8T):                                          "u8[16]",
		array(2, array(3, pointer(charT))):                      "char *[2][3]",
		pointer(array(16, u8T)):                                 "u8 (*)[16]",
		pointer(handler):                                        "int (*)(struct sock *, ...)",
		array(4, constant(pointer(handler))):                    "int (*const[4])(struct sock *, ...)",
		pointer(&ebtf.FuncProto{Return: pointer(handler)}):      "int (*(*)(void))(struct sock *, ...)",
		pointer(&ebtf.Typedef{Name: "fn_t", Type: handler}):     "fn_t *",
		&ebtf.Struct{Size: 1}:                                   "struct {...}",
		&ebtf.Fwd{Name: "later", Kind: ebtf.FwdUnion}:           "union later",
		&ebtf.Fwd{Name: "later", Kind: ebtf.FwdStruct}:          "struct later",
		pointer(&ebtf.TypeTag{Type: charT, Value: "user"}):      "char *",
		&ebtf.Func{Name: "open", Type: handler}:                 "int open(struct sock *, ...)",
		wideT:                                                   "enum wide",
		&ebtf.Var{Name: "jiffies", Type: intT}:                  "var jiffies",
		constant(&ebtf.TypeTag{Type: pointer(u8T), Value: "x"}): "u8 *const",
	}
	var types []ebtf.Type
	for typ := range want {
		types = append(types, typ)
	}
	data, ids := sample(t, types...)
	s := parse(t, data, nil)
	for typ, want := range want {
		if got := s.TypeString(ids[typ]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if s.TypeString(0) != "void" || s.TypeString(1<<31) != "?" {
		t.Errorf("got %q and %q, want void and ?", s.TypeString(0), s.TypeString(1<<31))
	}
}

func TestOnlyPointersToCharAreText(t *testing.T) {
	text, bytes, plain := &ebtf.Pointer{Target: &ebtf.Const{Type: charT}}, &ebtf.Pointer{Target: u8T}, &ebtf.Typedef{Name: "c", Type: charT}
	data, ids := sample(t, text, bytes, plain)
	s := parse(t, data, nil)
	for typ, want := range map[ebtf.Type]bool{text: true, bytes: false, plain: false} {
		if got := s.CharPointer(ids[typ]); got != want {
			t.Errorf("%s: got %v, want %v", s.TypeString(ids[typ]), got, want)
		}
	}
}

// The figures that matter at start, held by count: a kernel's BTF must not cost
// more than its index.
func TestFindingAFunctionAllocatesTheIndexAndLittleElse(t *testing.T) {
	data, _ := sample(t)
	if n := testing.AllocsPerRun(10, func() { openOne(t, data, "tcp_connect") }); n > 26 {
		t.Errorf("%v allocations, want at most 26", n)
	}
}

func openOne(t testing.TB, data []byte, name string) {
	s := parse(t, data, nil)
	for _, id := range s.Funcs(name) {
		if _, err := s.Proto(id); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkOpenTheRunningKernelsBTF(b *testing.B) {
	data, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		b.Skip("this kernel has no BTF: ", err)
	}
	b.ReportAllocs()
	for b.Loop() {
		openOne(b, data, "unix_stream_connect")
	}
}
