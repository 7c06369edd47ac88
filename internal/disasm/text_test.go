package disasm

import "testing"

func TestTextIsAsObjdumpWritesIt(t *testing.T) {
	const at = 0xffffffff81000000
	for _, c := range []struct{ code, att, intel string }{
		{"48 89 e5", "mov %rsp,%rbp", "mov rbp,rsp"},
		{"83 8d 18 ff ff ff 01", "orl $0x1,-0xe8(%rbp)", "or DWORD PTR [rbp-0xe8],0x1"},
		{"41 83 7c 24 30 00", "cmpl $0x0,0x30(%r12)", "cmp DWORD PTR [r12+0x30],0x0"},
		{"48 8b 04 d1", "mov (%rcx,%rdx,8),%rax", "mov rax,QWORD PTR [rcx+rdx*8]"},
		{"48 83 e4 f0", "and $0xfffffffffffffff0,%rsp", "and rsp,0xfffffffffffffff0"},
		{"83 e2 fe", "and $0xfffffffe,%edx", "and edx,0xfffffffe"},
		{"66 81 0b 00 80", "orw $0x8000,(%rbx)", "or WORD PTR [rbx],0x8000"},
		{"c3", "ret", "ret"},
		{"48 cf", "iretq", "iretq"},
		{"48 98", "cltq", "cdqe"},
		{"48 63 c7", "movslq %edi,%rax", "movsxd rax,edi"},
		{"0f b6 47 10", "movzbl 0x10(%rdi),%eax", "movzx eax,BYTE PTR [rdi+0x10]"},
		{"0f be c0", "movsbl %al,%eax", "movsx eax,al"},
		{"e8 fb ff ff ff", "call 0xffffffff81000000", "call 0xffffffff81000000"},
		{"2e e8 fa ff ff ff", "cs call 0xffffffff81000000", "cs call 0xffffffff81000000"},
		{"ff 24 c5 00 00 80 81", "jmp *-0x7e800000(,%rax,8)", "jmp QWORD PTR [rax*8-0x7e800000]"},
		{"41 ff d3", "call *%r11", "call r11"},
		{"3e ff e0", "notrack jmp *%rax", "notrack jmp rax"},
		{"65 48 8b 04 25 28 00 00 00", "mov %gs:0x28,%rax", "mov rax,QWORD PTR gs:0x28"},
		{"48 8b 05 00 00 00 01", "mov 0x1000000(%rip),%rax", "mov rax,QWORD PTR [rip+0x1000000]"},
		{"66 66 2e 0f 1f 84 00 00 00 00 00", "data16 cs nopw 0x0(%rax,%rax,1)", "data16 cs nop WORD PTR [rax+rax*1+0x0]"},
		{"66 90", "xchg %ax,%ax", "xchg ax,ax"},
		{"f0 48 0f b1 17", "lock cmpxchg %rdx,(%rdi)", "lock cmpxchg QWORD PTR [rdi],rdx"},
		{"f3 48 a5", "rep movsq %ds:(%rsi),%es:(%rdi)", "rep movs QWORD PTR es:[rdi],QWORD PTR ds:[rsi]"},
		{"f3 48 ab", "rep stos %rax,%es:(%rdi)", "rep stos QWORD PTR es:[rdi],rax"},
		{"48 b8 88 77 66 55 44 33 22 11", "movabs $0x1122334455667788,%rax", "movabs rax,0x1122334455667788"},
		{"6a ff", "push $0xffffffffffffffff", "push 0xffffffffffffffff"},
		{"48 d1 e8", "shr %rax", "shr rax,1"},
		{"ee", "out %al,(%dx)", "out dx,al"},
		{"0f 0b", "ud2", "ud2"},
		{"cc", "int3", "int3"},
		{"d6", "udb", "udb"},
		// What x86asm can't read or reads wrong.
		{"f3 0f 1e fa", "endbr64", "endbr64"},
		{"0f 01 ca", "clac", "clac"},
		{"f2 0f 01 ca", "erets", "erets"},
		{"0f 01 fe", "invlpgb", "invlpgb"},
		{"0f 01 fa", "monitorx %rax,%ecx,%edx", "monitorx"},
		{"48 0f c7 f8", "rdseed %rax", "rdseed rax"},
		{"66 48 0f 38 f5 53 f8", "wrussq %rdx,-0x8(%rbx)", "wrussq [rbx-0x8],rdx"},
		{"67 48 0f b9 3a", "ud1 (%edx),%rdi", "ud1 rdi,QWORD PTR [edx]"},
		{"66 0f ae f1", "tpause %ecx", "tpause ecx"},
		{"f2 0f 00 f0", "lkgs %eax", "lkgs eax"},
		{"f3 0f c7 34 24", "vmxon (%rsp)", "vmxon QWORD PTR [rsp]"},
		{"66 0f ae 37", "clwb (%rdi)", "clwb BYTE PTR [rdi]"},
		{"f3 48 0f ae e0", "ptwrite %rax", "ptwrite rax"},
		{"f3 0f ae 20", "ptwritel (%rax)", "ptwrite DWORD PTR [rax]"},
		{"a3 11 22 33 44 55 66 77 88", "movabs %eax,0x8877665544332211", "movabs ds:0x8877665544332211,eax"},
		// Vectors.
		{"c5 f8 77", "vzeroupper", "vzeroupper"},
		{"c5 f9 d4 05 00 00 00 01", "vpaddq 0x1000000(%rip),%xmm0,%xmm0", "vpaddq xmm0,xmm0,XMMWORD PTR [rip+0x1000000]"},
		{"c4 e3 7d 44 c7 00", "vpclmullqlqdq %ymm7,%ymm0,%ymm0", "vpclmullqlqdq ymm0,ymm0,ymm7"},
		{"c5 ff f0 07", "vlddqu (%rdi),%ymm0", "vlddqu ymm0,YMMWORD PTR [rdi]"},
		{"62 f1 7f 89 6f 01", "vmovdqu8 (%rcx),%xmm0{%k1}{z}", "vmovdqu8 xmm0{k1}{z},XMMWORD PTR [rcx]"},
		{"62 f1 fd 58 d4 40 01", "vpaddq 0x8(%rax){1to8},%zmm0,%zmm0", "vpaddq zmm0,zmm0,QWORD PTR [rax+0x8]{1to8}"},
		{"c5 19 ef 64 23 08", "vpxor 0x8(%rbx,%riz,1),%xmm12,%xmm12", "vpxor xmm12,xmm12,XMMWORD PTR [rbx+riz*1+0x8]"},
		// Bits that the operation has no use for, rounding.
		{"62 62 6d 02 df 56 d4", "62 62 6d 02 df 56 d4 (unknown, 7 bytes)", "62 62 6d 02 df 56 d4 (unknown, 7 bytes)"},
		{"62 f1 7c 18 58 c1", "62 f1 7c 18 58 c1 (unknown, 6 bytes)", "62 f1 7c 18 58 c1 (unknown, 6 bytes)"},
		// Nobody knows.
		{"0f 0b 78 65 6e 0f a2", "0f 0b 78 65 6e 0f a2 (unknown, 7 bytes)", "0f 0b 78 65 6e 0f a2 (unknown, 7 bytes)"},
	} {
		in := Inst{Addr: at, Bytes: fromHex(t, c.code)}
		if got := in.String(); got != c.att {
			t.Errorf("%s is %q, want %q", c.code, got, c.att)
		}
		intel := in.Text(Context{Syntax: Intel})
		intel.Refs = nil
		if got := intel.String(); got != c.intel {
			t.Errorf("%s is in Intel's syntax %q, want %q", c.code, got, c.intel)
		}
	}
}

func TestTextNamesWhatOperandsMean(t *testing.T) {
	const at = 0xffffffff81000000
	name := func(addr uint64) (string, bool) {
		text, ok := map[uint64]string{
			0xffffffff81000100: "memcpy+0x10",
			0xffffffff82000007: "jiffies",
			0xffffffff81cd0000: "handler",
			0x1fbc0:            "current_task",
		}[addr]
		return text, ok
	}
	note := func(addr uint64) (string, bool) { return `"text"`, addr == 0xffffffff82123456 }
	for _, c := range []struct{ code, want string }{
		{"e8 fb 00 00 00", "call 0xffffffff81000100 <memcpy+0x10>"},
		{"e8 fc 00 00 00", "call 0xffffffff81000101"},
		{"75 7e", "jne 0xffffffff81000080"},
		{"48 8b 05 00 00 00 01", "mov 0x1000000(%rip),%rax # 0xffffffff82000007 <jiffies>"},
		{"48 c7 c7 56 34 12 82", `mov $0xffffffff82123456,%rdi "text"`},
		{"c7 c7 56 34 12 82", "mov $0x82123456,%edi"},
		{"48 c7 05 fc ff ff 00 00 00 cd 81", "movq $0xffffffff81cd0000,0xfffffc(%rip) # 0xffffffff82000007 <jiffies> <handler>"},
		{"48 8b 04 d5 00 00 cd 81", "mov -0x7e330000(,%rdx,8),%rax # 0xffffffff81cd0000 <handler>"},
		{"65 48 8b 04 25 c0 fb 01 00", "mov %gs:0x1fbc0,%rax <current_task>"},
		{"65 48 8b 05 b9 fb 01 7f", "mov %gs:0x7f01fbb9(%rip),%rax # 0x1fbc1"},
		{"48 8b 04 25 c0 fb 01 00", "mov 0x1fbc0,%rax"},
		{"48 8b 80 00 00 cd 81", "mov -0x7e330000(%rax),%rax"},
	} {
		in := Inst{Addr: at, Bytes: fromHex(t, c.code)}
		if got := in.Text(Context{Name: name, Note: note}).String(); got != c.want {
			t.Errorf("%s is\n\t%s, want\n\t%s", c.code, got, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add(uint8(0), []byte("\xf3\x0f\x1e\xfa"))
	f.Add(uint8(0), []byte("\x62\xf3\x75\x48\x25\xc2\xff"))
	f.Add(uint8(1), []byte("\x1f\x20\x03\xd5"))
	f.Fuzz(func(t *testing.T, arch uint8, code []byte) {
		for in := range Arch(arch%2).Walk(0x1000, code[:min(len(code), 256)]) {
			for _, syntax := range []Syntax{ATT, Intel} {
				if text := in.Text(Context{Syntax: syntax}); text.Op == "" {
					t.Errorf("% x has no text", in.Bytes)
				}
			}
		}
	})
}
