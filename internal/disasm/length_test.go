package disasm

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
)

// fromHex also takes "… " gaps between the bytes.
func fromHex(t testing.TB, text string) []byte {
	t.Helper()
	code, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func TestLengthKnowsTheCornersOfTheEncoding(t *testing.T) {
	for _, c := range []struct {
		code, text string
		want       int
	}{
		{"f3 0f 1e fa", "endbr64", 4},
		{"0f 01 ca", "clac", 3},
		{"f2 0f 01 ca", "an erex of the kernel's table", 4},
		{"f2 0f 00 f0", "lkgs %eax, where objdump 2.40 stops at f2", 4},
		{"f3 0f a6 c0", "montmul, with ModRM", 4},
		{"9b db e3", "fwait; fninit follows", 1},
		{"d6", "udb", 1},
		{"0f 0b 78 65 6e 0f a2", "cpuid for the hypervisor to emulate", 7},
		{"0f 0b 75 65", "ud2 alone", 2},
		{"66 e8 01 02 03 04", "call: 66 leaves rel32 alone", 6},
		{"66 0f 84 01 02 03 04", "je: likewise", 7},
		{"66 05 01 02", "add imm16", 4},
		{"66 48 05 01 02 03 04", "add: REX.W wins over 66", 7},
		{"48 66 05 01 02", "a REX before another prefix counts for nothing", 5},
		{"48 b8 01 02 03 04 05 06 07 08", "movabs", 10},
		{"48 a1 01 02 03 04 05 06 07 08", "mov from an absolute address", 10},
		{"67 a1 01 02 03 04", "the same with 67", 6},
		{"f6 00 01", "test imm8", 3},
		{"f6 10", "not", 2},
		{"f7 c8 01 02 03 04", "test imm32, the second form", 6},
		{"c8 01 02 03", "enter", 4},
		{"0f 20 00", "mov from cr0 has no memory form", 3},
		{"c7 f8 01 02 03 04", "xbegin", 6},
		{"0f 0f c0 9e", "3DNow!: the opcode stands last", 4},
		{"c5 f8 77", "vzeroupper", 3},
		{"c5 f9 70 c0 01", "vpshufd", 5},
		{"c4 e3 71 0f c2 08", "vpalignr", 6},
		{"62 f1 fd 48 6f 40 01", "vmovdqa64 with compressed displacement", 7},
		{"62 f3 75 48 25 c2 ff", "vpternlogd", 7},
		{"8f 40 10", "pop to memory", 3},
		{"8f e8 78 c0 c1 01", "vprotb", 6},
		{"8f ea 78 10 c1 01 02 03 04", "bextr imm32", 9},
		{"c4 e7 7b f6 c0 01 02 03 04", "rdmsr imm32", 9},
		{"8b 04 25 01 02 03 04", "a SIB byte without base", 7},
		{"8b 05 01 02 03 04", "relative to rip", 6},
		{"43 8b 44 25 01", "r13 as base", 5},
		{"66 66 2e 0f 1f 84 00 01 02 03 04", "the compiler's padding", 11},
		{"66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", "15 bytes are allowed", 15},
	} {
		// What follows must not matter.
		for _, tail := range []string{"", "ff", strings.Repeat("00", 16), strings.Repeat("cc", 16)} {
			if c.text == "fwait; fninit follows" || c.text == "ud2 alone" {
				tail = ""
			}
			got, err := Length(fromHex(t, c.code+tail))
			if err != nil || got != c.want {
				t.Errorf("Length(%s | %s) = %d, %v; want %d: %s", c.code, tail, got, err, c.want, c.text)
			}
		}
	}
}

// Each line of the file is one encoding out of Debian's kernels 5.10, 6.1, 6.12
// and 7.3 (an opcode with its prefixes; for groups, with its ModRM kind), cut by
// objdump 2.40, and objdump's text; without its merged "9b db e3".
func TestLengthAndTextAgreeWithObjdump(t *testing.T) {
	file, err := os.ReadFile("testdata/objdump-2.40.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		code, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		want := len(code) / 2
		if got, err := Length(fromHex(t, code+strings.Repeat("cc", 16))); got != want {
			t.Errorf("Length(%s) = %d, %v; want %d: %s", code, got, err, want, text)
		}
		in := Inst{Bytes: fromHex(t, code)}
		if in.Flow(nil).Target != 0 {
			continue // the file does not say where the instruction was
		}
		text, _, _ = strings.Cut(text, " #")
		if got := in.String(); got != text {
			t.Errorf("%s is %q, want %q", code, got, text)
		}
	}
}

func TestLengthTellsTruncatedFromUndefined(t *testing.T) {
	for _, c := range []struct {
		code string
		want error
	}{
		{"", ErrTruncated},
		{"48", ErrTruncated},
		{"0f", ErrTruncated},
		{"c4", ErrTruncated},
		{"62", ErrTruncated},
		{"e8 00 00 00", ErrTruncated},
		{"06", ErrUndefined},
		{"9a 00 00 00 00 00 00", ErrUndefined},
		{"0f 04", ErrUndefined},
		{"c4 00 00 00", ErrUndefined},
		{"66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90", ErrUndefined},
	} {
		if n, err := Length(fromHex(t, c.code)); !errors.Is(err, c.want) || n != 0 {
			t.Errorf("Length(%s) = %d, %v; want %v", c.code, n, err, c.want)
		}
	}
}

func FuzzLength(f *testing.F) {
	f.Add([]byte("\xf3\x0f\x1e\xfa"))
	f.Add([]byte("\x62\xf3\x75\x48\x25\xc2\xff"))
	f.Add(bytes.Repeat([]byte{0x66}, 20))
	f.Fuzz(func(t *testing.T, code []byte) {
		n, err := Length(code)
		if err != nil {
			if n != 0 {
				t.Errorf("Length(% x) = %d beside %v", code, n, err)
			}
			return
		}
		if n < 1 || n > MaxLength {
			t.Errorf("Length(% x) = %d", code, n)
		}
		if got, err := Length(code[:n]); got != n {
			t.Errorf("Length(% x) = %d, %v; %d with more behind it", code[:n], got, err, n)
		}
		if got, err := Length(code[:n-1]); err == nil {
			t.Errorf("Length(% x) = %d, though a byte is missing", code[:n-1], got)
		}
		in := Inst{Bytes: code[:n]}
		if len(in.Opcode()) == 0 {
			t.Errorf("% x has no opcode", in.Bytes)
		}
		_ = in.String()
	})
}

func BenchmarkLength(b *testing.B) {
	code := bytes.Repeat(fromHex(b, umask), 100)
	b.SetBytes(int64(len(code)))
	for b.Loop() {
		for rest := code; len(rest) > 0; {
			n, err := Length(rest)
			if err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
	}
}
