package disasm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// umask is __x64_sys_umask of Debian's 6.12.117 at 0xffffffff810dfd50.
const umask = "f30f1efa e857c7faff 65488b059f52f57e 488b90e00b0000 488b4770 25ff010000 87420c 4898 e9f5c8be00 0f1f440000"

func TestWalkYieldsEachInstructionOfAFunction(t *testing.T) {
	type place struct {
		Offset uint64
		Text   string
	}
	const start = 0xffffffff810dfd50
	var got []place
	for in := range Walk(start, fromHex(t, umask)) {
		got = append(got, place{in.Addr - start, in.String()})
	}
	want := []place{
		{0x0, "endbr64"},
		{0x4, "call 0xffffffff8108c4b0"},
		{0x9, "mov %gs:0x7ef5529f(%rip),%rax"},
		{0x11, "mov 0xbe0(%rax),%rdx"},
		{0x18, "mov 0x70(%rdi),%rax"},
		{0x1c, "and $0x1ff,%eax"},
		{0x21, "xchg %eax,0xc(%rdx)"},
		{0x24, "cltq"},
		{0x26, "jmp 0xffffffff81ccc670"},
		{0x2b, "nopl 0x0(%rax,%rax,1)"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Walk (-want +got):\n%s", diff)
	}
}

func TestWalkEndsBeforeBytesThatAreNoWholeInstruction(t *testing.T) {
	for _, c := range []struct {
		code string
		want uint64
	}{
		{"55 48 89", 1},
		{"55 06 55", 1},
		{"06", 0},
		{"", 0},
	} {
		var end uint64
		for in := range Walk(0, fromHex(t, c.code)) {
			end = in.End()
		}
		if end != c.want {
			t.Errorf("Walk(%s) ends at %d, want %d", c.code, end, c.want)
		}
	}
}

func TestOpcodeStandsBehindEveryKindOfPrefix(t *testing.T) {
	for _, c := range []struct {
		code, opcode string
		vector       bool
	}{
		{"e8 01 02 03 04", "e8 01 02 03 04", false},
		{"2e 41 ff d3", "ff d3", false},
		{"f0 48 0f b1 17", "0f b1 17", false},
		{"c5 f8 77", "77", true},
		{"c4 e3 71 0f c2 08", "0f c2 08", true},
		{"62 f1 fd 48 6f 40 01", "6f 40 01", true},
		{"8f e8 78 c0 c1 01", "c0 c1 01", true},
		{"8f c0", "8f c0", false},
		{"0f 0b 78 65 6e 0f a2", "0f a2", false},
	} {
		in := Inst{Bytes: fromHex(t, c.code)}
		if diff := cmp.Diff(fromHex(t, c.opcode), in.Opcode()); diff != "" || in.IsVector() != c.vector {
			t.Errorf("%s: opcode % x, vector %v; want %s, %v", c.code, in.Opcode(), in.IsVector(), c.opcode, c.vector)
		}
	}
}

func TestEndbrIsRecognisedSealedOrNot(t *testing.T) {
	for code, want := range map[string]bool{
		"f3 0f 1e fa":    true,
		"f3 0f 1e fb":    true,
		"66 0f 1f 00":    true,
		"0f 1f 40 d6":    true,
		"0f 1f 40 00":    false,
		"0f 1f 44 00 00": false,
		"90":             false,
	} {
		if got := (Inst{Bytes: fromHex(t, code)}).IsEndbr(); got != want {
			t.Errorf("IsEndbr(%s) = %v", code, got)
		}
	}
}
