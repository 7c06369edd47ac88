package place

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPlaceIsParsedAndPrintedBack(t *testing.T) {
	for _, c := range []struct {
		in    string
		want  Place
		print string // where it differs from in
	}{
		{in: "unix_stream_connect", want: Place{Symbol: "unix_stream_connect"}},
		{in: "vfs_read%return", want: Place{Symbol: "vfs_read", Return: true}},
		{in: "do_idle+0x1f", want: Place{Symbol: "do_idle", Offset: 0x1f}},
		{in: "do_idle+31", want: Place{Symbol: "do_idle", Offset: 31}, print: "do_idle+0x1f"},
		{in: "do_idle+0%return", want: Place{Symbol: "do_idle", Return: true}, print: "do_idle%return"},
		{in: "ext4:ext4_da_write_begin+0x4", want: Place{Module: "ext4", Symbol: "ext4_da_write_begin", Offset: 4}},
		{in: "nf-conntrack:nf_ct_get", want: Place{Module: "nf_conntrack", Symbol: "nf_ct_get"}, print: "nf_conntrack:nf_ct_get"},
		{in: "tcp_v4_rcv.part.0", want: Place{Symbol: "tcp_v4_rcv.part.0"}},
		{in: "_RNvNtC6kernel5print$x", want: Place{Symbol: "_RNvNtC6kernel5print$x"}},
		{in: "0xffffffff81A0b0c0", want: Place{Addr: 0xffffffff81a0b0c0}, print: "0xffffffff81a0b0c0"},
		{in: "0xffffffff81a0b0c0%return", want: Place{Addr: 0xffffffff81a0b0c0, Return: true}},
		{in: "do_idle+0x4..0x1f", want: Place{Symbol: "do_idle", Offset: 4, To: 0x1f}},
		{in: "ext4:ext4_iget+0..31", want: Place{Module: "ext4", Symbol: "ext4_iget", To: 31}, print: "ext4:ext4_iget+0x0..0x1f"},
		{in: "0xffffffff81a0b0c0..0xffffffff81a0b0ff", want: Place{Addr: 0xffffffff81a0b0c0, To: 0xffffffff81a0b0ff}},
		{in: "vfs_*", want: Place{Symbol: "vfs_*", Glob: true}},
		{in: "vfs_?ead%return", want: Place{Symbol: "vfs_?ead", Glob: true, Return: true}},
		{in: "ext4:ext4_[^d]*", want: Place{Module: "ext4", Symbol: "ext4_[^d]*", Glob: true}},
		{in: "*", want: Place{Symbol: "*", Glob: true}},
		{in: "vfs_read@ret", want: Place{Symbol: "vfs_read", Pick: Pick{What: Ret}}},
		{in: "vfs_*@ret", want: Place{Symbol: "vfs_*", Glob: true, Pick: Pick{What: Ret}}},
		{in: "ext4:ext4_iget@call", want: Place{Module: "ext4", Symbol: "ext4_iget", Pick: Pick{What: Call}}},
		{in: "vfs_read@call(rw_*)", want: Place{Symbol: "vfs_read", Pick: Pick{What: Call, Name: "rw_*"}}},
		{in: "vfs_read+0x10..0x20@call(fput)", want: Place{Symbol: "vfs_read", Offset: 0x10, To: 0x20, Pick: Pick{What: Call, Name: "fput"}}},
		{in: "vfs_read@load(40)", want: Place{Symbol: "vfs_read", Pick: Pick{What: Load, Offset: 40}}, print: "vfs_read@load(0x28)"},
		{in: "vfs_read@store(-0x8)", want: Place{Symbol: "vfs_read", Pick: Pick{What: Store, Offset: -8}}},
		{in: "vfs_read@load(0)", want: Place{Symbol: "vfs_read", Pick: Pick{What: Load}}, print: "vfs_read@load(0x0)"},
		{in: "vfs_read@insn(^cmp +.*, ?%r(ax|dx)$)", want: Place{Symbol: "vfs_read", Pick: Pick{What: Insn, Name: "^cmp +.*, ?%r(ax|dx)$"}}},
	} {
		got, err := Parse(c.in)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.in, err)
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", c.in, diff)
		}
		if c.print == "" {
			c.print = c.in
		}
		if got.String() != c.print {
			t.Errorf("Parse(%q).String() = %q, want %q", c.in, got, c.print)
		}
	}
}

func TestAMalformedPlaceIsRefusedWithItsColumn(t *testing.T) {
	for _, c := range []struct {
		in, want string
	}{
		{"", `malformed place "", column 1: it is empty (a place is [MODULE:]SYMBOL[+OFFSET], 0xADDRESS or a GLOB)`},
		{" ", `malformed place " ", column 1: it is empty (a place is [MODULE:]SYMBOL[+OFFSET], 0xADDRESS or a GLOB)`},
		{"tcp sendmsg", `malformed place "tcp sendmsg", column 4: a place holds no spaces`},
		{"do_idle+-4", `malformed place "do_idle+-4", column 9: an offset can't be negative (name the function that holds the address)`},
		{"do_idle-4", `malformed place "do_idle-4", column 8: an offset can't be negative (name the function that holds the address)`},
		{"do_idle+", `malformed place "do_idle+", column 9: no offset after +`},
		{"do_idle+0x", `malformed place "do_idle+0x", column 9: offset "0x" is no number (write it in decimal, or in hex after 0x)`},
		{"do_idle+1f", `malformed place "do_idle+1f", column 9: offset "1f" is no number (write it in decimal, or in hex after 0x)`},
		{"do_idle+4+4", `malformed place "do_idle+4+4", column 9: offset "4+4" is no number (write it in decimal, or in hex after 0x)`},
		{"do_idle+0x10000000000000000", `malformed place "do_idle+0x10000000000000000", column 9: the offset does not fit 64 bits`},
		{"vfs_read@", `malformed place "vfs_read@", column 10: there is no pick "" (` + pickHint + `)`},
		{"vfs_read@returns", `malformed place "vfs_read@returns", column 10: there is no pick "returns" (` + pickHint + `)`},
		{"vfs_read@ret(1)", `malformed place "vfs_read@ret(1)", column 13: ret takes nothing in parentheses`},
		{"vfs_read@call()", `malformed place "vfs_read@call()", column 15: no name of a function (@call alone is every call)`},
		{"vfs_read@call(a-b)", `malformed place "vfs_read@call(a-b)", column 16: an offset can't be negative (name the function that holds the address)`},
		{"vfs_read@call([)", `malformed place "vfs_read@call([)", column 15: the pattern's [ is not closed, or is empty`},
		{"vfs_read@load", `malformed place "vfs_read@load", column 14: load of what? (` + pickHint + `)`},
		{"vfs_read@load(f_op)", `malformed place "vfs_read@load(f_op)", column 15: offset "f_op" is no number (write it in decimal, or in hex after 0x)`},
		{"vfs_read@load(0x80000000)", `malformed place "vfs_read@load(0x80000000)", column 15: no instruction reaches that far from a pointer`},
		{"vfs_read@insn(mov", `malformed place "vfs_read@insn(mov", column 18: the ( is not closed`},
		{"vfs_read@insn(a[)", "malformed place \"vfs_read@insn(a[)\", column 15: missing closing ]: `[` (it is read as Go's package regexp does)"},
		{"vfs_read%return@ret", `malformed place "vfs_read%return@ret", column 9: a return takes no pick (the function's return instructions are FUNCTION@ret)`},
		{"vfs_read+4@ret", `malformed place "vfs_read+4@ret", column 11: a pick looks through a function, or a range of it (leave the offset out, or name a range: +OFFSET..OFFSET)`},
		{"vfs read@ret", `malformed place "vfs read@ret", column 4: a place holds no spaces`},
		{"+4", `malformed place "+4", column 1: no symbol`},
		{"vfs_*+4", `malformed place "vfs_*+4", column 6: a glob takes no offset (name one function)`},
		{"vfs_[", `malformed place "vfs_[", column 5: the glob's [ is not closed, or is empty`},
		{"ext4:vfs_[]", `malformed place "ext4:vfs_[]", column 10: the glob's [ is not closed, or is empty`},
		{`vfs_*\`, `malformed place "vfs_*\\", column 6: '\\' can't stand in a glob`},
		{"vfs_read+4%return", `malformed place "vfs_read+4%return", column 9: a return takes no offset (it is watched from the function's entry)`},
		{"do_idle+4..", `malformed place "do_idle+4..", column 12: no offset after +`},
		{"do_idle+4..4", `malformed place "do_idle+4..4", column 12: a range ends behind its start`},
		{"do_idle+4..0x1g", `malformed place "do_idle+4..0x1g", column 12: offset "0x1g" is no number (write it in decimal, or in hex after 0x)`},
		{"do_idle+4..8%return", `malformed place "do_idle+4..8%return", column 10: a return takes no range (it is watched from the function's entry)`},
		{"0xffff..0x10", `malformed place "0xffff..0x10", column 9: a range ends behind its start`},
		{"0xffff..0x1g", `malformed place "0xffff..0x1g", column 11: an address is hex digits after 0x`},
		{"0xffff..20", `malformed place "0xffff..20", column 9: a range of addresses ends with an address (write it in hex after 0x)`},
		{"vfs_read%ret", `malformed place "vfs_read%ret", column 9: unknown suffix %ret (did you mean %return?)`},
		{"vfs_read%", `malformed place "vfs_read%", column 9: unknown suffix % (did you mean %return?)`},
		{"%return", `malformed place "%return", column 1: no symbol`},
		{"0xfffg", `malformed place "0xfffg", column 3: an address is hex digits after 0x`},
		{"0x", `malformed place "0x", column 3: an address is hex digits after 0x`},
		{"0x-4", `malformed place "0x-4", column 3: an address is hex digits after 0x`},
		{"0xffffffff81a0b0c00", `malformed place "0xffffffff81a0b0c00", column 3: the address does not fit 64 bits`},
		{"0xffffffff81a0b0c0+4", `malformed place "0xffffffff81a0b0c0+4", column 19: an address takes no offset (add it to the address)`},
		{"0x0", `malformed place "0x0", column 1: address 0 is no code (with kptr_restrict set /proc/kallsyms shows zeros)`},
		{"ffffffff81a0b0c0", `malformed place "ffffffff81a0b0c0", column 1: ffffffff81a0b0c0 is no symbol (an address is written in hex after 0x)`},
		{"1234", `malformed place "1234", column 1: 1234 is no symbol (an address is written in hex after 0x)`},
		{":vfs_read", `malformed place ":vfs_read", column 1: no module before :`},
		{"ext4:", `malformed place "ext4:", column 6: no symbol`},
		{"ext*:vfs_read", `malformed place "ext*:vfs_read", column 4: a module's name can't be a pattern`},
		{"a:b:c", `malformed place "a:b:c", column 4: ':' can't stand in a symbol`},
		{"ext4:0x1234", `malformed place "ext4:0x1234", column 6: an address takes no module`},
		{"vfs/read", `malformed place "vfs/read", column 4: '/' can't stand in a symbol`},
		{"vfs_réad", `malformed place "vfs_réad", column 6: 'é' can't stand in a symbol`},
	} {
		_, err := Parse(c.in)
		if err == nil || err.Error() != c.want {
			t.Errorf("Parse(%q):\n got %v\nwant %s", c.in, err, c.want)
		}
		var typed *Error
		if !errors.As(err, &typed) || typed.Input != c.in {
			t.Errorf("Parse(%q): no *Error with its input: %#v", c.in, err)
		}
	}
}

func TestAPlaceIsAStringInJSON(t *testing.T) {
	var p Place
	if err := json.Unmarshal([]byte(`"ext4:ext4_sync_file+0x10"`), &p); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Place{Module: "ext4", Symbol: "ext4_sync_file", Offset: 16}, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	text, err := json.Marshal(p)
	if err != nil || string(text) != `"ext4:ext4_sync_file+0x10"` {
		t.Errorf("json.Marshal = %s, %v", text, err)
	}
	if err := json.Unmarshal([]byte(`"a b"`), &p); err == nil {
		t.Error("a malformed place was read from JSON")
	}
}

func FuzzWhatIsParsedIsPrintedBack(f *testing.F) {
	for _, s := range []string{"a", "m:a+0x10", "0xffff", "v*%return", "a+0", "a-b:c", "[a-b]", "é", "a+0X1%return", "a+1..2", "0x1..0x2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			if e := err.(*Error); e.Col < 1 || e.Col > len(s)+1 {
				t.Fatalf("Parse(%q): column %d lies outside the place", s, e.Col)
			}
			return
		}
		again, err := Parse(p.String())
		if err != nil || again != p {
			t.Fatalf("Parse(%q) = %#v, printed %q, read back as %#v, %v", s, p, p, again, err)
		}
	})
}
