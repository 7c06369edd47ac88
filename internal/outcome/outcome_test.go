package outcome

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"ktrap/internal/disasm"
)

const start = 0xffffffff81000000

func inst(t testing.TB, text string) disasm.Inst {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	if n, err := disasm.Length(b); err != nil || n != len(b) {
		t.Fatalf("%s: length %d, %v; want %d", text, n, err, len(b))
	}
	return disasm.Inst{Addr: start, Bytes: b}
}

// before is a state whose registers are all different.
func before() (r Registers) {
	for i := range r {
		r[i] = 0x1000 * uint64(i+1)
	}
	r[IP], r[Flags] = start, 0x202
	return r
}

func with(change func(r *Registers)) Registers {
	r := before()
	change(&r)
	return r
}

func TestABranchIsComputed(t *testing.T) {
	const word = 0xffffffff82345678
	for _, test := range []struct {
		code, text string
		was, want  Registers
	}{
		{"90", "nop", before(), with(func(r *Registers) { r[IP] += 1 })},
		{"f3 0f 1e fa", "endbr64", before(), with(func(r *Registers) { r[IP] += 4 })},
		{"0f 1f 44 00 00", "nopl", before(), with(func(r *Registers) { r[IP] += 5 })},
		{"eb 10", "jmp", before(), with(func(r *Registers) { r[IP] += 0x12 })},
		{"e9 fb ff ff ff", "jmp to itself", before(), before()},
		{"e8 00 01 00 00", "call", before(), with(func(r *Registers) { r[IP] += 0x105; r[SP] -= 8 })},
		{"ff d0", "call *%rax", before(), with(func(r *Registers) { r[IP] = r[AX]; r[SP] -= 8 })},
		{"41 ff d3", "call *%r11", before(), with(func(r *Registers) { r[IP] = r[R11]; r[SP] -= 8 })},
		{"ff e1", "jmp *%rcx", before(), with(func(r *Registers) { r[IP] = r[CX] })},
		{"c3", "ret", before(), with(func(r *Registers) { r[IP] = word; r[SP] += 8 })},
		{"74 10", "je, not taken", before(), with(func(r *Registers) { r[IP] += 2 })},
		{"74 10", "je, taken", with(func(r *Registers) { r[Flags] |= Zero }),
			with(func(r *Registers) { r[Flags] |= Zero; r[IP] += 0x12 })},
		{"0f 85 00 01 00 00", "jne", before(), with(func(r *Registers) { r[IP] += 0x106 })},
		{"e3 10", "jrcxz, not taken", before(), with(func(r *Registers) { r[IP] += 2 })},
		{"e3 10", "jrcxz", with(func(r *Registers) { r[CX] = 0 }), with(func(r *Registers) { r[CX] = 0; r[IP] += 0x12 })},
		{"67 e3 10", "jecxz", with(func(r *Registers) { r[CX] = 1 << 32 }),
			with(func(r *Registers) { r[CX] = 1 << 32; r[IP] += 0x13 })},
		{"e2 fe", "loop", before(), with(func(r *Registers) { r[CX]-- })},
		{"e2 fe", "loop, the last time for a processor", with(func(r *Registers) { r[CX] = 1 }), with(func(r *Registers) { r[CX] = 0 })},
		{"e2 fe", "loop, the last time", with(func(r *Registers) { r[CX] = 0 }), with(func(r *Registers) { r[CX] = ^uint64(0); r[IP] += 2 })},
		{"67 e2 fd", "addr32 loop", with(func(r *Registers) { r[CX] = 1 << 32 }), with(func(r *Registers) { r[CX] = 1<<32 | 0xffffffff; r[IP] += 3 })},
		{"e1 fe", "loope, not equal", before(), with(func(r *Registers) { r[CX]--; r[IP] += 2 })},
		{"e0 fe", "loopne", before(), with(func(r *Registers) { r[CX]-- })},
	} {
		o := Of(inst(t, test.code), Surroundings{})
		if o.Kind != Computed {
			t.Errorf("%s: its outcome is %v, it %s", test.text, o.Kind, o.Why)
			continue
		}
		if got := o.After(test.was, word); got != test.want {
			t.Errorf("%s: it leaves\n%x, want\n%x", test.text, got, test.want)
		}
	}
}

func TestEachConditionIsAsItsNameSays(t *testing.T) {
	for flags := range uint64(1 << 12) {
		cf, zf, sf, of, pf := flags&Carry != 0, flags&Zero != 0, flags&Sign != 0, flags&Overflow != 0, flags&Parity != 0
		want := []bool{of, !of, cf, !cf, zf, !zf, cf || zf, !cf && !zf, sf, !sf, pf, !pf, sf != of, sf == of, zf || sf != of, !zf && sf == of}
		for number, held := range want {
			if got := Condition(byte(number), flags); got != held {
				t.Fatalf("condition %x with the flags %v: %v, want %v", number, FlagNames(flags), got, held)
			}
		}
	}
}

func TestWhatGoesOnBehindItselfIsObservedThere(t *testing.T) {
	r := before()
	for _, test := range []struct {
		code, text string
		sp         uint64
		writes     string
	}{
		{"48 89 d8", "mov %rbx,%rax", r[SP], "ax"},
		{"48 89 18", "mov %rbx,(%rax)", r[SP], ""},
		{"48 01 d8", "add %rbx,%rax", r[SP], "ax flags"},
		{"48 39 d8", "cmp %rbx,%rax", r[SP], "flags"},
		{"4c 85 c0", "test %r8,%rax", r[SP], "flags"},
		{"88 fc", "mov %bh,%ah", r[SP], "ax"},
		{"40 88 fc", "mov %dil,%spl", 0, ""},
		{"48 8d 44 24 08", "lea 8(%rsp),%rax", r[SP], "ax"},
		{"4d 0f af c1", "imul %r9,%r8", r[SP], "r8 flags"},
		{"48 f7 e1", "mul %rcx", r[SP], "ax dx flags"},
		{"0f b6 c0", "movzbl %al,%eax", r[SP], "ax"},
		{"0f 94 c0", "sete %al", r[SP], "ax"},
		{"48 0f 44 c8", "cmove %rax,%rcx", r[SP], "cx"},
		{"f0 48 0f b1 11", "lock cmpxchg %rdx,(%rcx)", r[SP], "ax flags"},
		{"f0 48 0f c1 11", "lock xadd %rdx,(%rcx)", r[SP], "dx flags"},
		{"f3 48 ab", "rep stos", r[SP], "cx di"},
		{"f3 48 a5", "rep movsq", r[SP], "cx si di"},
		{"0f a2", "cpuid", r[SP], "ax cx dx bx"},
		{"0f 31", "rdtsc", r[SP], "ax dx"},
		{"0f c8", "bswap %eax", r[SP], "ax"},
		{"41 bf 01 00 00 00", "mov $1,%r15d", r[SP], "r15"},
		{"c1 e0 04", "shl $4,%eax", r[SP], "ax flags"},
		{"48 ff c3", "inc %rbx", r[SP], "bx flags"},
		{"53", "push %rbx", r[SP] - 8, "sp"},
		{"41 5f", "pop %r15", r[SP] + 8, "sp r15"},
		{"6a 01", "push $1", r[SP] - 8, "sp"},
		{"ff 33", "push (%rbx)", r[SP] - 8, "sp"},
		{"9c", "pushf", r[SP] - 8, "sp"},
		{"9d", "popf", r[SP] + 8, "sp flags"},
		{"c9", "leave", r[BP] + 8, "sp bp"},
		{"48 83 ec 28", "sub $0x28,%rsp", r[SP] - 0x28, "sp flags"},
		{"48 81 c4 00 01 00 00", "add $0x100,%rsp", r[SP] + 0x100, "sp flags"},
		{"48 83 e4 f0", "and $-16,%rsp", r[SP] &^ 15, "sp flags"},
		{"48 29 c4", "sub %rax,%rsp", r[SP] - r[AX], "sp flags"},
		{"48 8d 65 d8", "lea -0x28(%rbp),%rsp", r[BP] - 0x28, "sp"},
		{"48 89 ec", "mov %rbp,%rsp", r[BP], "sp"},
		{"4c 89 d4", "mov %r10,%rsp", r[R10], "sp"},
	} {
		o := Of(inst(t, test.code), Surroundings{})
		if test.sp == 0 {
			if o.Kind != Impossible {
				t.Errorf("%s: its outcome is %v, want none", test.text, o.Kind)
			}
			continue
		}
		if o.Kind != Observed || !slices.Equal(o.At, []uint64{o.Behind}) {
			t.Errorf("%s: its outcome is %v, it %s", test.text, o.Kind, o.Why)
			continue
		}
		if got := o.SP(r); got != test.sp {
			t.Errorf("%s: it leaves the stack pointer at %#x, want %#x", test.text, got, test.sp)
		}
		if got := o.Writes().String(); got != test.writes {
			t.Errorf("%s: it writes %q, want %q", test.text, got, test.writes)
		}
	}
}

func TestWhereThereIsNoOutcomeItSaysWhy(t *testing.T) {
	for _, test := range []struct{ code, why string }{
		{"0f 0b", "is not done: it is a trap"},
		{"cc", "is not done: it is a trap"},
		{"ff 10", "can't be known: it reads its target from memory"},
		{"ff 25 00 00 00 00", "can't be known: it reads its target from memory"},
		{"c2 10 00", "can't be known: the kernel may do it in the processor's stead, and then leaves its arguments on the stack"},
		{"48 cf", "can't be known: it returns to another level of privilege, or far"},
		{"5c", "can't be told from others: where it leaves the stack pointer is not known beforehand"},
		{"48 8b 20", "can't be told from others: where it leaves the stack pointer is not known beforehand"},
	} {
		if o := Of(inst(t, test.code), Surroundings{}); o.Kind != Impossible || o.Why != test.why {
			t.Errorf("%s: its outcome is %v, it %s; want none, it %s", test.code, o.Kind, o.Why, test.why)
		}
	}
}

// surroundings are code with refusals by offset.
func surroundings(t *testing.T, code string, refused map[uint64]string, branches map[uint64]uint64) Surroundings {
	b, err := hex.DecodeString(strings.ReplaceAll(code, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	insts := map[uint64]disasm.Inst{}
	for in := range disasm.Walk(start, b) {
		insts[in.Addr] = in
	}
	return Surroundings{
		At: func(addr uint64) (disasm.Inst, string, bool) {
			in, ok := insts[addr]
			return in, refused[addr-start], ok
		},
		Branch: func(addr uint64) (uint64, bool) {
			to, ok := branches[addr-start]
			return start + to, ok
		},
	}
}

func TestASuccessorThatCannotBeProbedIsLookedThrough(t *testing.T) {
	const label, static = "is a jump label", "is a static call"
	for _, test := range []struct {
		text, code string
		refused    map[uint64]string
		branches   map[uint64]uint64
		at         []uint64
		why        string
	}{
		{"nothing in the way", "48 89 d8 90", nil, nil, []uint64{3}, ""},
		{"a nop", "48 89 d8 0f 1f 44 00 00 c3", map[uint64]string{3: label}, nil, []uint64{8}, ""},
		{"a jump label that is off", "48 89 d8 0f 1f 44 00 00 c3 90 90", map[uint64]string{3: label}, map[uint64]uint64{3: 10}, []uint64{8, 10}, ""},
		{"a jump label that is on", "48 89 d8 eb 01 90 c3", map[uint64]string{3: label}, map[uint64]uint64{3: 6}, []uint64{5, 6}, ""},
		{"two in a row", "48 89 d8 66 90 66 90 c3", map[uint64]string{3: label, 5: label}, nil, []uint64{7}, ""},
		{"a call that is none", "48 89 d8 e8 00 00 00 00 c3", map[uint64]string{3: static}, nil, nil,
			"can't be seen: 0xffffffff81000003, behind it, is a static call"},
		{"the end", "48 89 d8", nil, nil, nil, "can't be seen: 0xffffffff81000003, behind it, is not in the same function"},
		{"a ring of jumps", "48 89 d8 eb fe", map[uint64]string{3: label}, nil, nil, "can't be seen: no place behind it can be probed"},
	} {
		s := surroundings(t, test.code, test.refused, test.branches)
		o := Of(inst(t, "48 89 d8"), s)
		var at []uint64
		for _, addr := range o.At {
			at = append(at, addr-start)
		}
		if !slices.Equal(at, test.at) || test.why != "" && o.Why != test.why {
			t.Errorf("%s: it is seen at %d, it %s; want %d, it %s", test.text, at, o.Why, test.at, test.why)
		}
	}
}

func TestAPairMustAgreeInAllThatTheInstructionLeavesAlone(t *testing.T) {
	o := Of(inst(t, "48 01 d8"), Surroundings{}) // add %rbx,%rax
	was := before()
	for _, test := range []struct {
		what string
		now  Registers
		want bool
	}{
		{"what it writes has changed", with(func(r *Registers) { r[AX] = 7; r[Flags] |= Carry }), true},
		{"an interrupt flag has changed", with(func(r *Registers) { r[Flags] ^= Interrupt }), true},
		{"what it reads has changed", with(func(r *Registers) { r[BX] = 7 }), false},
		{"another stack", with(func(r *Registers) { r[SP] -= 8 }), false},
	} {
		if got := o.Agrees(was, test.now); got != test.want {
			t.Errorf("%s: %v, want %v", test.what, got, test.want)
		}
	}
}

func TestAnOperandInMemoryIsFound(t *testing.T) {
	r := before()
	for _, test := range []struct {
		code, text string
		at         uint64
		size       int
		written    bool
	}{
		{"48 89 18", "mov %rbx,(%rax)", r[AX], 8, true},
		{"8b 45 f0", "mov -0x10(%rbp),%eax", r[BP] - 0x10, 4, false},
		{"66 83 44 8b 08 01", "addw $1,8(%rbx,%rcx,4)", r[BX] + 4*r[CX] + 8, 2, true},
		{"48 8b 05 10 00 00 00", "mov 0x10(%rip),%rax", start + 7 + 0x10, 8, false},
		{"80 3c 24 01", "cmpb $1,(%rsp)", r[SP], 1, false},
		{"4a 8b 04 e5 00 00 00 80", "mov -0x80000000(,%r12,8),%rax", 0xffffffff80000000 + 8*r[R12], 8, false},
		{"48 8d 44 24 08", "lea", 0, 0, false},
		{"64 48 8b 00", "mov %fs:(%rax),%rax", 0, 0, false},
		{"f3 48 ab", "rep stos", 0, 0, false},
	} {
		o := Of(inst(t, test.code), Surroundings{})
		m, ok := o.Memory()
		if ok != (test.size != 0) || ok && (m.Size != test.size || m.Written != test.written) {
			t.Errorf("%s: %+v %v, want %d bytes, written: %v", test.text, m, ok, test.size, test.written)
			continue
		}
		now := r
		now[IP] = o.Behind
		if ok && m.At(now) != test.at {
			t.Errorf("%s: it is at %#x, want %#x", test.text, m.At(now), test.at)
		}
	}
}

func FuzzOf(f *testing.F) {
	for _, seed := range []string{"4889d8", "ff25", "f30f1efa", "c5f877", "0f38f0", "660f3a", "62f17c48", "8f", "0f"} {
		b, _ := hex.DecodeString(seed)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := disasm.Length(b)
		if err != nil {
			return
		}
		o := Of(disasm.Inst{Addr: start, Bytes: b[:n]}, Surroundings{})
		was := before()
		switch o.Kind {
		case Computed:
			o.After(was, 1)
		case Observed:
			o.Agrees(was, with(func(r *Registers) { r[SP] = o.SP(was) }))
		}
		if m, ok := o.Memory(); ok {
			m.At(was)
		}
	})
}
