package value

import (
	"bytes"
	stdjson "encoding/json"
	"strings"
	"testing"

	ebtf "github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"ktrap/internal/btf"
)

var recordBytes = []byte("\x01\x00\x00\x00" + // id
	"\xe5\x07\x00\x00" + // low 5, padding, minus -1, on, state 1
	"\x02\x00\xff\xff" + // both, a, b
	"\x03\x00\xfc\xff" + // at
	"ba\"h\x00xyz" + // comm
	"\x88\x77\x66\x55\x44\x33\x22\x11" + // call
	"\x01\x00\x02\x00\x03\x00\x04\x00" + // points
	"\x10\x00\x00\x00\x00\x00\x00\x00") // who

func TestEachTypeIsWrittenAsItReads(t *testing.T) {
	ff := bytes.Repeat([]byte{0xff}, 16)
	for _, test := range []struct {
		name       string
		typ        ebtf.Type
		raw        []byte
		text, json string
	}{
		{"int", intT, ff, "-1", "-1"},
		{"in a register", intT, []byte{1, 0, 0, 0, 9, 9, 9, 9}, "1", "1"},
		{"unsigned", uintT, ff, "4294967295", "4294967295"},
		{"byte", byteT, ff, "255", "255"},
		{"char", charT, ff, "-1", "-1"},
		{"short", shortT, []byte{0, 0x80}, "-32768", "-32768"},
		{"largest exact", ulongT, []byte{0, 0, 0, 0, 0, 0, 0x20, 0}, "9007199254740992", "9007199254740992"},
		{"inexact", ulongT, []byte{1, 0, 0, 0, 0, 0, 0x20, 0}, "9007199254740993", `"9007199254740993"`},
		{"negative inexact", longT, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xdf, 0xff}, "-9007199254740993", `"-9007199254740993"`},
		{"smallest", longT, []byte{0, 0, 0, 0, 0, 0, 0, 0x80}, "-9223372036854775808", `"-9223372036854775808"`},
		{"128 bits", hugeT, append([]byte{1}, ff[1:]...), "0xffffffffffffffffffffffffffffff01", `"0xffffffffffffffffffffffffffffff01"`},
		{"float", floatT, []byte{0, 0, 0x80, 0x3f}, "0x3f800000", `"0x3f800000"`},
		{"bool", boolT, []byte{8}, "true", "true"},
		{"pointer", pointer(pointT), ff, "0xffffffffffffffff", `"0xffffffffffffffff"`},
		{"no pointer", pointer(pointT), make([]byte, 8), "0x0", `"0x0"`},
		{"function", funcT, ff, "0xffffffffffffffff", `"0xffffffffffffffff"`},
		{"unfollowed text", textT, ff, "0xffffffffffffffff", `"0xffffffffffffffff"`},
		{"constant", stateT, []byte{7, 0, 0, 0}, "SHUT", `"SHUT"`},
		{"first of two constants", stateT, []byte{1, 0, 0, 0}, "OPEN", `"OPEN"`},
		{"or-ed constants", stateT, []byte{8, 0, 0, 0}, "8", "8"},
		{"negative constant", errorT, ff, "BAD", `"BAD"`},
		{"negative number", errorT, []byte{0xfe}, "-2", "-2"},
		{"wide constant", farT, []byte{0, 0, 0, 0, 0, 0, 0, 0x80}, "FAR", `"FAR"`},
		{"void", &ebtf.Const{Type: &ebtf.Void{}}, nil, "void", "null"},
		{"nothing", intT, nil, "?", "null"},
		{"too little", intT, ff[:3], "?", "null"},
		{"text in an array", array(4, charT), []byte("ab\x00d"), `"ab"`, `"ab"`},
		{"full array", array(4, charT), []byte("abcd"), `"abcd"`, `"abcd"`},
		{"cut array", array(4, charT), []byte("abc"), `"abc"…`, `"abc…"`},
		{"array", array(3, shortT), []byte{1, 0, 2, 0, 0xff, 0xff}, "[1, 2, -1]", "[1,2,-1]"},
		{"arrays", array(2, array(2, byteT)), []byte{1, 2, 3, 4}, "[[1, 2], [3, 4]]", "[[1,2],[3,4]]"},
		{"long array", array(100, byteT), make([]byte, 100), "[" + strings.Repeat("0, ", 16) + "… 84 more]", "[" + strings.Repeat("0,", 16) + `"… 84 more"]`},
		{"array of which the end was not read", array(3, shortT), []byte{1, 0, 2}, "[1, ?, … 1 more]", `[1,null,"… 1 more"]`},
		{"empty array", array(0, shortT), nil, "[]", "[]"},
		{"struct", recordT, recordBytes,
			`{.id=1, .low=5, .minus=-1, .on=true, .state=OPEN, .both=4294901762, .a=2, .b=-1, .at={.x=3, .y=-4}, ` +
				`.comm="ba\"h", .call=0x1122334455667788, .points=[{.x=1, .y=2}, {.x=3, .y=4}], .who=0x10}`,
			`{"id":1,"low":5,"minus":-1,"on":true,"state":"OPEN","both":4294901762,"a":2,"b":-1,"at":{"x":3,"y":-4},` +
				`"comm":"ba\"h","call":"0x1122334455667788","points":[{"x":1,"y":2},{"x":3,"y":4}],"who":"0x10"}`},
		{"struct of which the end was not read", recordT, recordBytes[:14],
			`{.id=1, .low=5, .minus=-1, .on=true, .state=OPEN, .both=4294901762, .a=2, .b=-1, .at={.x=3, … 1 more}, … 4 more}`,
			`{"id":1,"low":5,"minus":-1,"on":true,"state":"OPEN","both":4294901762,"a":2,"b":-1,"at":{"x":3,"…":"… 1 more"},"…":"… 4 more"}`},
		{"bitfield over nine bytes", straddleT, []byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0x40, 0}, "{.wide=9223372036854775809}", `{"wide":"9223372036854775809"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := compile(t, test.typ)
			if got := string(d.AppendText(nil, test.raw, Str{})); got != "v="+test.text {
				t.Errorf("text\n got %s\nwant v=%s", got, test.text)
			}
			if got := string(d.AppendJSON(nil, test.raw, Str{})); got != test.json {
				t.Errorf("JSON\n got %s\nwant %s", got, test.json)
			}
			same(t, d, test.raw, Str{})
		})
	}
}

// same holds what is written straight from the bytes against the Value.
func same(t *testing.T, d *Decoder, raw []byte, s Str) {
	t.Helper()
	v := d.Decode(raw, s)
	if got, want := string(v.AppendText(nil)), string(d.AppendText(nil, raw, s)); got != want {
		t.Errorf("text of the Value\n got %s\nwant %s", got, want)
	}
	got, err := v.MarshalJSON()
	if want := d.AppendJSON(nil, raw, s); err != nil || !bytes.Equal(got, want) {
		t.Errorf("JSON of the Value, error %v\n got %s\nwant %s", err, got, want)
	}
}

func TestTextBehindAPointerIsAString(t *testing.T) {
	d := compile(t, textT)
	if !d.IsText() {
		t.Fatal("const char * is not text")
	}
	address := []byte{0x10, 0, 0, 0, 0, 0, 0, 0}
	buf := []byte("/etc\x00...")
	for _, test := range []struct {
		name       string
		raw        []byte
		s          Str
		text, json string
	}{
		{"whole", address, Str{buf[:4], Whole}, `"/etc"`, `"/etc"`},
		{"empty", address, Str{buf[:0], Whole}, `""`, `""`},
		{"cut", address, Str{buf[:7], Cut}, `"/etc\x00.."…`, `"/etc\u0000..…"`},
		{"unreadable", address, Str{State: Unreadable}, "0x10 (unreadable)", "null"},
		{"null", make([]byte, 8), Str{State: Unreadable}, "0x0", "null"},
		{"not read", address, Str{}, "0x10", `"0x10"`},
		{"no bytes", nil, Str{State: Unreadable}, "?", "null"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := string(d.AppendText(nil, test.raw, test.s)); got != "v="+test.text {
				t.Errorf("got %s, want v=%s", got, test.text)
			}
			if got := string(d.AppendJSON(nil, test.raw, test.s)); got != test.json {
				t.Errorf("got %s, want %s", got, test.json)
			}
			same(t, d, test.raw, test.s)
		})
	}
}

func TestStringsAreEscaped(t *testing.T) {
	for _, test := range []struct{ in, text, json string }{
		{`a"b\c`, `"a\"b\\c"`, `"a\"b\\c"`},
		{"\n\t\r\x00\x1b\x7f", `"\n\t\x0d\x00\x1b\x7f"`, `"\n\t\u000d\u0000\u001b\u007f"`},
		{"héllo ☃", `"héllo ☃"`, `"héllo ☃"`},
		{"\xff\xc3", `"\xff\xc3"`, `"\ufffd\ufffd"`},
		{"\u202egnp.exe", `"\xe2\x80\xaegnp.exe"`, "\"\u202egnp.exe\""},
		{"\ufffd", "\"\ufffd\"", "\"\ufffd\""},
	} {
		if got := string(AppendTextString(nil, test.in)); got != test.text {
			t.Errorf("text of %q: got %s, want %s", test.in, got, test.text)
		}
		if got := string(AppendJSONString(nil, []byte(test.in))); got != test.json {
			t.Errorf("JSON of %q: got %s, want %s", test.in, got, test.json)
		}
	}
}

func TestAValueIsData(t *testing.T) {
	got := compile(t, pointT).Decode([]byte{1, 0, 0xff, 0xff}, Str{})
	want := Value{Name: "v", Type: "struct point", Kind: Struct, Fields: []Value{
		{Name: "x", Type: "short", Kind: Int, Bits: 1},
		{Name: "y", Type: "short", Kind: Int, Bits: ^uint64(0)},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if out, err := stdjson.Marshal([]Value{got}); err != nil || string(out) != `[{"x":1,"y":-1}]` {
		t.Errorf("encoding/json: got %s, %v", out, err)
	}
}

func TestAPathToABitfieldIsDecoded(t *testing.T) {
	s, id := spec(t, recordT)
	p, err := s.Resolve([]btf.Param{{Name: "r", Type: id}}, "r.minus")
	if err != nil {
		t.Fatal(err)
	}
	d, err := CompilePath(s, p, "r.minus")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(d.AppendText(nil, recordBytes[p.Offsets[0]:], Str{})); got != "r.minus=-1" || d.Size() != 2 {
		t.Errorf("got %s of %d bytes, want r.minus=-1 of 2", got, d.Size())
	}
}

func TestARegisterWithoutATypeIsAnAddress(t *testing.T) {
	if got := string(Word("di").AppendText(nil, []byte{1, 2, 0, 0, 0, 0, 0, 0}, Str{})); got != "di=0x201" {
		t.Errorf("got %s, want di=0x201", got)
	}
}

func TestWhatHasNoValueIsRefused(t *testing.T) {
	for want, typ := range map[string]ebtf.Type{
		"decode v: struct later has no value":            &ebtf.Fwd{Name: "later"},
		"decode v: int f(void) has no value":             &ebtf.Func{Name: "f", Type: &ebtf.FuncProto{Return: intT}},
		"decode v: struct later[2] has no size":          array(2, &ebtf.Fwd{Name: "later"}),
		"decode v: int[1073741824] is larger than 2 GiB": array(1<<30, intT),
	} {
		s, id := spec(t, typ)
		if _, err := Compile(s, id, "v"); err == nil || err.Error() != want {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

func TestAMemberWithoutAValueDoesNotHideTheOthers(t *testing.T) {
	d := compile(t, &ebtf.Struct{Name: "s", Size: 8, Members: []ebtf.Member{
		{Name: "odd", Type: &ebtf.Fwd{Name: "later"}}, {Name: "n", Type: intT, Offset: 32},
	}})
	if got := string(d.AppendText(nil, make([]byte, 8), Str{})); got != "v={.odd=?, .n=0}" {
		t.Errorf("got %s, want v={.odd=?, .n=0}", got)
	}
	same(t, d, make([]byte, 8), Str{})
}

func TestOutputIsBounded(t *testing.T) {
	wide := &ebtf.Struct{Name: "wide", Size: 2000}
	for i := range 2000 {
		wide.Members = append(wide.Members, ebtf.Member{Name: "m", Type: byteT, Offset: ebtf.Bits(8 * i)})
	}
	deep := ebtf.Type(wide)
	for range 4 {
		deep = array(2, array(100, &ebtf.Struct{Name: "nest", Size: 2000, Members: []ebtf.Member{{Name: "n", Type: deep}}}))
	}
	for _, typ := range []ebtf.Type{wide, array(16, wide), deep} {
		d := compile(t, typ)
		out := d.AppendText(nil, make([]byte, d.Size()), Str{})
		if n := bytes.Count(out, []byte("=")); n > maxFields+1 || !bytes.Contains(out, []byte("more")) {
			t.Errorf("%s: %d fields without a mark of those left out:\n%.200s", d.Type(), n, out)
		}
		same(t, d, make([]byte, d.Size()), Str{})
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	d := compile(t, recordT)
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		d.AppendText(dst, recordBytes, Str{})
		d.AppendJSON(dst, recordBytes, Str{})
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func FuzzAnyBytesGiveValidJSONAndTheSameValue(f *testing.F) {
	f.Add(recordBytes)
	f.Add([]byte("/etc\xff\xfe\x00"))
	types := []ebtf.Type{recordT, array(3, recordT), textT, array(40, charT), straddleT}
	decoders := make([]*Decoder, len(types))
	for i, typ := range types {
		decoders[i] = compile(f, typ)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, d := range decoders {
			for _, s := range []Str{{}, {raw, Whole}, {raw, Cut}} {
				if out := d.AppendJSON(nil, raw, s); !stdjson.Valid(out) {
					t.Fatalf("%s: not JSON: %q", d.Type(), out)
				}
				same(t, d, raw, s)
			}
		}
	})
}

func benchmark(b *testing.B, typ ebtf.Type, raw []byte, s Str) {
	d := compile(b, typ)
	dst := make([]byte, 0, 4096)
	for name, write := range map[string]func() int{
		"text":  func() int { return len(d.AppendText(dst, raw, s)) },
		"JSON":  func() int { return len(d.AppendJSON(dst, raw, s)) },
		"Value": func() int { return len(d.Decode(raw, s).Fields) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				write()
			}
		})
	}
}

func BenchmarkInt(b *testing.B)     { benchmark(b, intT, recordBytes, Str{}) }
func BenchmarkPointer(b *testing.B) { benchmark(b, funcT, recordBytes[24:], Str{}) }
func BenchmarkEnum(b *testing.B)    { benchmark(b, stateT, recordBytes, Str{}) }
func BenchmarkText(b *testing.B) {
	benchmark(b, textT, recordBytes, Str{[]byte("/usr/lib/x86_64-linux-gnu/libc.so.6"), Whole})
}
func BenchmarkStruct(b *testing.B) { benchmark(b, recordT, recordBytes, Str{}) }
