package disasm

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func arm64(at uint64, words ...uint32) []Inst {
	var code []byte
	for _, w := range words {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	return slices.Collect(ARM64.Walk(at, code))
}

func TestTextOfARM64IsAsObjdumpWritesIt(t *testing.T) {
	const at = 0xffff800080010000
	for _, c := range []struct {
		word uint32
		want string
	}{
		{0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"},
		{0xd65f03c0, "ret"},
		{0xd65f0bff, "retaa"},
		{0xd71f0a11, "braa x16, x17"},
		{0xd63f081f, "blraaz x0"},
		{0x14000002, "b 0xffff800080010008"},
		{0x97ffffff, "bl 0xffff80008000fffc"},
		{0x54000041, "b.ne 0xffff800080010008"},
		{0xb4000060, "cbz x0, 0xffff80008001000c"},
		{0xf9400400, "ldr x0, [x0, #8]"},
		{0xf8627821, "ldr x1, [x1, x2, lsl #3]"},
		{0xd538d082, "mrs x2, tpidr_el1"},
		{0xd5184260, "msr pan, x0"},
		{0xd518cc20, "msr icc_eoir1_el1, x0"},
		{0xd51be900, "msr pmevcntr8_el0, x0"},
		{0xd5100055, "msr s2_0_c0_c0_2, x21"},
		{0xd5034fdf, "msr daifset, #0xf"},
		{0xd503233f, "paciasp"},
		{0xd503245f, "bti c"},
		{0xd503229f, "csdb"},
		{0xd5033fdf, "isb"},
		{0xd5033bbf, "dmb ish"},
		{0xd50b7523, "ic ivau, x3"},
		{0xd508711f, "ic ialluis"},
		{0xd4210000, "brk #0x800"},
		{0xd4000003, "smc #0x0"},
		{0xb820003f, "stadd w0, [x1]"},
		{0xf860003f, "staddl x0, [x1]"},
		{0xf8e10062, "ldaddal x1, x2, [x3]"},
		{0x38a18041, "swpab w1, w1, [x2]"},
		{0x88e0fc41, "casal w0, w1, [x2]"},
		{0x4860fc82, "caspal x0, x1, x2, x3, [x4]"},
		{0x00000000, "udf #0"},
		{0x85be0000, ".inst 0x85be0000"}, // SVE
	} {
		if got := arm64(at, c.word)[0].String(); got != c.want {
			t.Errorf("%08x is %q, want %q", c.word, got, c.want)
		}
	}
}

// Each line of the file is the first use of an operation in the text of Debian's
// 6.12.117, with objdump 2.40's text.
func TestTextOfARM64AgreesWithObjdump(t *testing.T) {
	file, err := os.ReadFile("testdata/objdump-2.40-arm64.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		var addr uint64
		var word uint32
		if _, err := fmt.Sscanf(line, "%x %x", &addr, &word); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want := strings.SplitN(strings.TrimSpace(line), " ", 3)[2]
		if got := arm64(addr, word)[0].String(); got != want {
			t.Errorf("%08x at %#x is %q, want %q", word, addr, got, want)
		}
	}
}

func TestTextsPutPageAndOffsetTogether(t *testing.T) {
	const (
		at   = 0xffff800080010000
		adrp = 0xd0014200 // adrp x0, 0xffff800082852000
		add  = 0x910d0000 // add x0, x0, #0x340
		load = 0xf941a001 // ldr x1, [x0, #832]
		bl   = 0x94000100
		want = "0xffff800082852340"
	)
	name := func(addr uint64) (string, bool) { return "init_task", addr == 0xffff800082852340 }
	for _, c := range []struct {
		words []uint32
		want  string // of the last
	}{
		{[]uint32{adrp, add}, "add x0, x0, #0x340 # " + want + " <init_task>"},
		{[]uint32{adrp, load}, "ldr x1, [x0, #832] # " + want + " <init_task>"},
		{[]uint32{adrp, load, load}, "ldr x1, [x0, #832] # " + want + " <init_task>"},
		{[]uint32{adrp, add, load}, "ldr x1, [x0, #832]"},
		{[]uint32{adrp, bl, add}, "add x0, x0, #0x340"},
		{[]uint32{add}, "add x0, x0, #0x340"},
		{[]uint32{adrp, 0x54ffffe1 /* b.ne to itself less 4 */, add}, "add x0, x0, #0x340 # " + want + " <init_task>"},
		{[]uint32{0x54000041 /* b.ne behind adrp */, adrp, add}, "add x0, x0, #0x340"},
	} {
		texts := Context{Name: name}.Texts(arm64(at, c.words...))
		if got := texts[len(texts)-1].String(); got != c.want {
			t.Errorf("the last of %08x is %q, want %q", c.words, got, c.want)
		}
	}
}
