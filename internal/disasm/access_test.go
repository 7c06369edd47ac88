package disasm

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestAnAccessIsToAFieldOfAStruct(t *testing.T) {
	for _, c := range []struct {
		code string
		arch Arch
		want Access
	}{
		{code: "0f b6 47 10", want: Access{Offset: 0x10, Reads: true}},                         // movzbl 0x10(%rdi),%eax
		{code: "83 8d 18 ff ff ff 01", want: Access{Offset: -0xe8, Reads: true, Writes: true}}, // orl $0x1,-0xe8(%rbp)
		{code: "41 83 7c 24 30 00", want: Access{Offset: 0x30, Reads: true}},                   // cmpl $0x0,0x30(%r12)
		{code: "48 89 47 18", want: Access{Offset: 0x18, Writes: true}},                        // mov %rax,0x18(%rdi)
		{code: "c7 47 08 00 00 00 00", want: Access{Offset: 8, Writes: true}},                  // movl $0,0x8(%rdi)
		{code: "f0 48 0f b1 17", want: Access{Reads: true, Writes: true}},                      // lock cmpxchg %rdx,(%rdi)
		{code: "ff 50 20", want: Access{Offset: 0x20, Reads: true}},                            // call *0x20(%rax)
		{code: "ff 77 28", want: Access{Offset: 0x28, Reads: true}},                            // push 0x28(%rdi)
		{code: "0f 94 47 04", want: Access{Offset: 4, Writes: true}},                           // sete 0x4(%rdi)
		{code: "48 0f ba 67 10 03", want: Access{Offset: 0x10, Reads: true}},                   // btq $3,0x10(%rdi)
		{code: "48 0f ba 6f 10 03", want: Access{Offset: 0x10, Reads: true, Writes: true}},     // btsq $3,0x10(%rdi)
		{code: "48 01 47 08", want: Access{Offset: 8, Reads: true, Writes: true}},              // add %rax,0x8(%rdi)
		{code: "0f 11 47 10", want: Access{Offset: 0x10, Writes: true}},                        // movups %xmm0,0x10(%rdi)
		{code: "48 8d 47 18"},                      // lea 0x18(%rdi),%rax
		{code: "48 89 44 24 18"},                   // mov %rax,0x18(%rsp)
		{code: "48 8b 05 00 00 00 01"},             // mov 0x1000000(%rip),%rax
		{code: "65 48 8b 04 25 28 00 00 00"},       // mov %gs:0x28,%rax
		{code: "f3 48 a5"},                         // rep movsq
		{code: "66 66 2e 0f 1f 84 00 00 00 00 00"}, // nopw 0x0(%rax,%rax,1)
		{code: "48 89 e5"},                         // mov %rsp,%rbp
		{code: "60 0e 40 f9", arch: ARM64, want: Access{Offset: 24, Reads: true}},  // ldr x0, [x19, #24]
		{code: "60 0e 00 f9", arch: ARM64, want: Access{Offset: 24, Writes: true}}, // str x0, [x19, #24]
		{code: "fd 7b be a9", arch: ARM64},                                         // stp x29, x30, [sp, #-32]!
		{code: "00 01 80 d2", arch: ARM64},                                         // mov x0, #8
	} {
		code, err := hex.DecodeString(strings.ReplaceAll(c.code, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		in := Inst{Bytes: code, Arch: c.arch}
		if got, ok := in.Access(); got != c.want || ok != (c.want != Access{}) {
			t.Errorf("%s: Access() = %+v, %v; want %+v", in, got, ok, c.want)
		}
	}
}
