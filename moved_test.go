package ktrap

import (
	"strings"
	"testing"
)

func TestAnInstructionIsFoundAgainInAnotherBuild(t *testing.T) {
	const before = `push %rbp
push %rbx
mov %rdi,%rbx
call A security_check
test %eax,%eax
jne B
mov 0x10(%rbx),%rax
cmp $0x5,%eax
je C
call D sock_put.isra.0
pop %rbx
pop %rbp
ret`
	const after = `endbr64
push %r12
push %rbp
mov %rdi,%rbp
xor %esi,%esi
call A security_check+0x4
test %eax,%eax
jne B
mov 0x18(%rbp),%rax
cmp $0x6,%eax
je C
call D sock_put
pop %rbp
pop %r12
ret`
	lines, other := listed(before), listed(after)
	for text, want := range map[string]string{
		"mov 0x10(%rbx),%rax": "mov 0x18(%rbp),%rax",
		"test %eax,%eax":      "test %eax,%eax",
		"call D":              "call D",
		"push %rbx":           "push %rbp",
		"ret":                 "ret",
	} {
		j, ok := moved(lines, at(lines, text), other)
		if !ok || other[j].Text != want {
			t.Errorf("%s: got %s, %v; want %s", text, other[j].Text, ok, want)
		}
	}
	if j, ok := moved(lines, 0, listed("nop\nnop\npush %rbp\nxor %eax,%eax\nret")); ok {
		t.Errorf("push %%rbp was found in another function, as instruction %d", j)
	}
}

// listed makes lines of a text: an instruction, and behind a blank its target.
func listed(text string) (lines []Line) {
	for l := range strings.Lines(text) {
		f := strings.Fields(l)
		one := Line{Text: strings.Join(f[:min(2, len(f))], " ")}
		if len(f) > 2 {
			one.Target = f[2]
		}
		lines = append(lines, one)
	}
	return lines
}

func at(lines []Line, text string) int {
	for i, l := range lines {
		if l.Text == text {
			return i
		}
	}
	return -1
}
