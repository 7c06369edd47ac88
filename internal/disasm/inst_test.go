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
		{0x24, "cdqe"},
		{0x26, "jmp 0xffffffff81ccc670"},
		{0x2b, "nopl (%rax,%rax)"},
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

func TestTextIsATAndTSyntaxOrTheBytes(t *testing.T) {
	for _, c := range []struct{ code, want string }{
		{"48 89 e5", "mov %rsp,%rbp"},
		{"83 8d 18 ff ff ff 01", "orl $0x1,-0xe8(%rbp)"},
		{"41 83 7c 24 30 00", "cmpl $0x0,0x30(%r12)"},
		{"48 8b 04 d1", "mov (%rcx,%rdx,8),%rax"},
		{"c3", "ret"},
		{"48 cf", "iretq"},
		{"2e e8 00 00 00 00", "cs call .+0x0"},
		{"ff 24 c5 00 00 80 81", "jmp *-0x7e800000(,%rax,8)"},
		{"0f 0b", "ud2"},
		{"cc", "int3"},
		{"0f 01 ca", "clac"},
		{"c5 f8 77", "vzeroupper"},
		{"0f 01 fe", "0f 01 fe (unknown, 3 bytes)"}, // invlpgb
		{"0f 0b 78 65 6e 0f a2", "0f 0b 78 65 6e 0f a2 (unknown, 7 bytes)"},
	} {
		if got := (Inst{Bytes: fromHex(t, c.code)}).String(); got != c.want {
			t.Errorf("text of %s is %q, want %q", c.code, got, c.want)
		}
	}
}
