package disasm

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFlowIsToldByTheOpcode(t *testing.T) {
	const at = 0x1000
	for _, c := range []struct {
		code string
		want Flow
	}{
		{"90", Flow{}},
		{"e8 10 00 00 00", Flow{Call, at + 0x15}},
		{"2e e8 f0 ff ff ff", Flow{Call, at - 10}},
		{"eb fe", Flow{Jump, at}},
		{"e9 fb ff ff ff", Flow{Jump, at}},
		{"75 02", Flow{CondJump, at + 4}},
		{"3e 75 02", Flow{CondJump, at + 5}},
		{"0f 84 00 01 00 00", Flow{CondJump, at + 0x106}},
		{"e3 10", Flow{CondJump, at + 0x12}},
		{"c7 f8 02 00 00 00", Flow{CondJump, at + 8}},
		{"66 c7 f8 02 00", Flow{CondJump, at + 7}},
		{"c7 00 02 00 00 00", Flow{}},
		{"ff d0", Flow{Kind: IndirectCall}},
		{"41 ff e3", Flow{Kind: IndirectJump}},
		{"ff 24 c5 00 00 80 81", Flow{Kind: IndirectJump}},
		{"ff 30", Flow{}}, // push
		{"c3", Flow{Kind: Return}},
		{"f3 c3", Flow{Kind: Return}},
		{"48 cf", Flow{Kind: Return}},
		{"48 0f 07", Flow{Kind: Return}},
		{"0f 0b", Flow{Kind: Stop}},
		{"67 0f b9 40 10", Flow{Kind: Stop}},
		{"cc", Flow{Kind: Stop}},
		{"0f 0b 78 65 6e 0f a2", Flow{}}, // cpuid for the hypervisor
		// Vector instructions whose opcode is that of a jump.
		{"c5 f8 77", Flow{}},
		{"c5 f9 71 d0 08", Flow{}},
		{"62 f1 7d 48 73 d0 08", Flow{}},
	} {
		in := Inst{Addr: at, Bytes: fromHex(t, c.code)}
		if got := in.Flow(nil); got != c.want {
			t.Errorf("flow of %s is %+v, want %+v", c.code, got, c.want)
		}
	}
}

func TestFlowOfARM64IsToldByTheWord(t *testing.T) {
	const at = 0x1000
	for _, c := range []struct {
		code string // bytes as they lie in memory
		want Flow
	}{
		{"1f 20 03 d5", Flow{}},
		{"02 00 00 14", Flow{Jump, at + 8}},
		{"ff ff ff 17", Flow{Jump, at - 4}},
		{"ff ff ff 97", Flow{Call, at - 4}},
		{"40 00 00 54", Flow{CondJump, at + 8}},
		{"e1 ff ff b5", Flow{CondJump, at - 4}},
		{"60 00 00 36", Flow{CondJump, at + 12}},
		{"e0 ff 07 37", Flow{CondJump, at - 4}},
		{"00 00 1f d6", Flow{Kind: IndirectJump}},
		{"11 0a 1f d7", Flow{Kind: IndirectJump}}, // braa
		{"00 00 3f d6", Flow{Kind: IndirectCall}},
		{"c0 03 5f d6", Flow{Kind: Return}},
		{"ff 0b 5f d6", Flow{Kind: Return}}, // retaa
		{"e0 03 9f d6", Flow{Kind: Return}}, // eret
		{"00 00 21 d4", Flow{Kind: Stop}},   // brk #0x800
		{"00 00 00 00", Flow{Kind: Stop}},
		{"01 00 00 d4", Flow{}}, // svc
	} {
		in := Inst{Addr: at, Bytes: fromHex(t, c.code), Arch: ARM64}
		if got := in.Flow(nil); got != c.want {
			t.Errorf("flow of %s is %+v, want %+v", c.code, got, c.want)
		}
	}
}

func TestThunksAreWhatTheyStandFor(t *testing.T) {
	const at, thunk = 0x1000, 0x1015
	for _, c := range []struct {
		code, name string
		want       Flow
	}{
		{"e9 10 00 00 00", "__x86_return_thunk", Flow{Kind: Return}},
		{"e9 10 00 00 00", "srso_return_thunk", Flow{Kind: Return}},
		{"e9 10 00 00 00", "__x86_indirect_thunk_rax", Flow{Kind: IndirectJump}},
		{"e8 10 00 00 00", "__x86_indirect_thunk_r11", Flow{Kind: IndirectCall}},
		{"e8 10 00 00 00", "__x86_indirect_call_thunk_rax", Flow{Kind: IndirectCall}},
		{"e8 10 00 00 00", "__fentry__", Flow{Call, thunk}},
		{"e8 10 00 00 00", "", Flow{Call, thunk}},
	} {
		name := func(addr uint64) (string, bool) { return c.name, addr == thunk && c.name != "" }
		in := Inst{Addr: at, Bytes: fromHex(t, c.code)}
		if got := in.Flow(name); got != c.want {
			t.Errorf("flow of %s to %q is %+v, want %+v", c.code, c.name, got, c.want)
		}
	}
}

// show writes a block a line: its offsets, and its edges.
func show(c *Code) string {
	var b strings.Builder
	start := c.Insts[0].Addr
	for _, block := range c.Graph().Blocks {
		fmt.Fprintf(&b, "%x-%x", c.Insts[block.Start].Addr-start, c.Insts[block.End-1].End()-start)
		for _, e := range block.Succ {
			fmt.Fprintf(&b, " %s", e.Kind)
			if e.Addr != 0 {
				fmt.Fprintf(&b, " %x", e.Addr-start)
			}
			if e.Addr != 0 && e.To < 0 {
				b.WriteString(" outside")
			}
		}
		if block.Entered {
			b.WriteString(" entered")
		}
		if block.Unreached {
			b.WriteString(" unreached")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestGraphCutsAFunctionIntoBlocks(t *testing.T) {
	for _, c := range []struct {
		name, code string
		arch       Arch
		change     func(*Code)
		want       string
	}{
		{
			name: "a straight function", code: umask,
			want: "0-2b tail bec920 outside\n2b-30 tail 30 outside unreached\n",
		},
		{
			name: "a loop and a way out",
			//     xor eax   test dil,1  jne 0xc      inc eax  jmp 2       ret
			code: "31 c0     40 f6 c7 01 75 04        ff c0    eb f6       c3",
			want: "0-2 next 2\n2-8 taken c not-taken 8\n8-c jump 2\nc-d return\n",
		},
		{
			name: "code that only an indirect jump reaches",
			code: "ff e0 90 c3",
			want: "0-2 indirect\n2-4 return unreached\n",
		},
		{
			name: "code elsewhere leads into the middle and to the end",
			code: "75 02 90 90 90 c3 c3 90 c3",
			change: func(c *Code) {
				c.Entered = []uint64{c.Insts[0].Addr + 4, c.Insts[0].Addr + 6, c.Insts[0].Addr + 0x100}
			},
			want: "0-2 taken 4 not-taken 2\n2-4 next 4\n4-6 return entered\n6-7 return entered\n7-9 return unreached\n",
		},
		{
			name: "a call goes on unless it never returns",
			code: "e8 00 10 00 00 c3 e8 00 20 00 00 c3",
			change: func(c *Code) {
				c.NeverReturns = func(target uint64) bool { return target == c.Insts[0].Addr+0x200b }
			},
			want: "0-6 return\n6-b unreached\nb-c return unreached\n",
		},
		{
			name: "a call that ends the function",
			code: "e8 00 10 00 00",
			want: "0-5\n",
		},
		{
			name: "a warning goes on, a bug ends",
			code: "0f 0b 90 0f 0b 90 c3",
			change: func(c *Code) {
				c.Ends = func(addr uint64) bool { return addr == c.Insts[0].Addr+3 }
			},
			want: "0-5\n5-7 return unreached\n",
		},
		{
			name: "a jump into the middle of an instruction leads to no block",
			code: "74 01 b8 00 00 00 00 c3",
			want: "0-2 taken 3 outside not-taken 2\n2-8 return\n",
		},
		{
			name: "a nop that may be made a jump",
			code: "0f 1f 44 00 00 c3 90 c3",
			change: func(c *Code) {
				c.Branch = func(addr uint64) (uint64, bool) { return addr + 6, addr == c.Insts[0].Addr }
			},
			want: "0-5 taken 6 not-taken 5\n5-6 return\n6-8 return\n",
		},
		{
			name: "a jump that may be made a nop",
			code: "eb 02 90 c3 90 c3",
			change: func(c *Code) {
				c.Branch = func(addr uint64) (uint64, bool) { return addr + 4, addr == c.Insts[0].Addr }
			},
			want: "0-2 taken 4 not-taken 2\n2-4 return\n4-6 return\n",
		},
		{
			name: "a part that the compiler moved away",
			code: "75 02 c3 90 90 90",
			change: func(c *Code) { // jne 4; ret; … nop
				c.Insts = slices.Delete(c.Insts, 2, 3)
			},
			want: "0-2 taken 4 not-taken 2\n2-3 return\n4-6 tail 6 outside\n",
		},
		{
			name: "arm64", arch: ARM64,
			//     cbz x0, 12   bl          b 0          ret
			code: "60 00 00 b4  00 10 00 94 fe ff ff 17  c0 03 5f d6",
			want: "0-4 taken c not-taken 4\n4-c jump 0\nc-10 return\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			code := &Code{Insts: slices.Collect(c.arch.Walk(0xffffffff810dfd50, fromHex(t, c.code)))}
			if c.change != nil {
				c.change(code)
			}
			if diff := cmp.Diff(c.want, show(code)); diff != "" {
				t.Errorf("blocks of %s (-want +got):\n%s", c.code, diff)
			}
		})
	}
}

func FuzzGraph(f *testing.F) {
	f.Add(uint8(0), []byte("\x75\x02\xc3\x90\xc3"))
	f.Add(uint8(1), []byte("\x60\x00\x00\xb4\xfe\xff\xff\x17"))
	f.Fuzz(func(t *testing.T, arch uint8, code []byte) {
		if len(code) > 4096 {
			return
		}
		c := &Code{Insts: slices.Collect(Arch(arch%2).Walk(0x1000, code))}
		checkGraph(t, c)
	})
}

// checkGraph checks what holds of every graph.
func checkGraph(t *testing.T, c *Code) {
	t.Helper()
	g, at := c.Graph(), 0
	for i, b := range g.Blocks {
		if b.Start != at || b.End <= b.Start {
			t.Fatalf("block %d is %d to %d, behind %d", i, b.Start, b.End, at)
		}
		at = b.End
		for _, e := range b.Succ {
			if e.To >= 0 && c.Insts[g.Blocks[e.To].Start].Addr != e.Addr {
				t.Errorf("an edge of block %d leads to %#x, which is not the start of block %d", i, e.Addr, e.To)
			}
			if _, inside := c.index(e.Addr); e.To < 0 && inside && e.Kind != JumpIndirect && e.Kind != ReturnTo {
				t.Errorf("an edge of block %d to %#x leads to no block", i, e.Addr)
			}
		}
	}
	if at != len(c.Insts) {
		t.Errorf("blocks hold %d of %d instructions", at, len(c.Insts))
	}
}
