package html

import (
	"fmt"
	"strings"
	"testing"

	"ktrap"
)

const hostile = `</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">'"`

// sample is a function with a loop, an early way out, and every mark.
func sample() *ktrap.Disassembly {
	d := &ktrap.Disassembly{
		Place: "unix_sample", Symbol: "unix_sample", Addr: 0xffffffff81000000, Size: 40, Arch: "amd64",
		Kernel: "6.12.0", Source: "/boot/vmlinuz-6.12.0",
	}
	for i, text := range []string{
		"endbr64", "push %rbx", "test %rdi,%rdi", "je 0xffffffff81000024 <unix_sample+0x24>",
		"call 0xffffffff81234560 <" + hostile + ">", "nopl 0x0(%rax,%rax,1)", "dec %rdi", "jne 0xffffffff81000010 <unix_sample+0x10>",
		"lea 0x10(%rip),%rsi        # 0xffffffff82000000 <names>", "pop %rbx", "ret",
	} {
		d.Lines = append(d.Lines, ktrap.Line{
			Addr: d.Addr + ktrap.Address(4*i), Offset: uint64(4 * i), Bytes: []byte{0x90, 0x90, 0x90, 0x90},
			Text: text, Mark: marks[i%len(marks)].mark, Why: fmt.Sprintf("because of %d %s", i, hostile),
			Source: []ktrap.SourceLine{{File: "net/unix/sample.c", Line: 10 + i/3}},
		})
	}
	d.Lines[5].Patches = []string{"jump label"}
	d.Blocks = []ktrap.Block{
		{Start: 0, End: 4, Succ: []ktrap.Edge{{Kind: "taken", To: 3}, {Kind: "not-taken", To: 1}}},
		{Start: 4, End: 8, Succ: []ktrap.Edge{{Kind: "taken", To: 1}, {Kind: "not-taken", To: 2}}},
		{Start: 8, End: 9, Succ: []ktrap.Edge{{Kind: "next", To: 3}}},
		{Start: 9, End: 11, Succ: []ktrap.Edge{{Kind: "return", To: -1}}},
	}
	return d
}

// huge is n blocks of five instructions, each with a way to the end and some back.
func huge(n int) *ktrap.Disassembly {
	d := sample()
	d.Lines, d.Blocks = nil, nil
	for i := range n {
		for k := range 5 {
			at := uint64(20*i + 4*k)
			d.Lines = append(d.Lines, ktrap.Line{Addr: d.Addr + ktrap.Address(at), Offset: at, Bytes: []byte{0x90, 0x90, 0x90, 0x90}, Text: "mov 0x118(%rsi),%rbp", Mark: marks[(i+k)%len(marks)].mark})
		}
		b := ktrap.Block{Start: 5 * i, End: 5*i + 5}
		if i+1 < n {
			b.Succ = []ktrap.Edge{{Kind: "not-taken", To: i + 1}, {Kind: "taken", To: []int{n - 1, max(i-6, 0), min(i+7, n-1)}[i%3]}}
		}
		d.Blocks = append(d.Blocks, b)
	}
	return d
}

func pageOf(t *testing.T, d *ktrap.Disassembly) string {
	t.Helper()
	var page strings.Builder
	if err := WriteDisassembly(&page, d); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

func TestAPageHasEachInstructionOnceAndNamesAreEscaped(t *testing.T) {
	page := pageOf(t, sample())
	if got := strings.Count(page, `class="row"`); got != 11 {
		t.Errorf("%d rows, want 11", got)
	}
	if strings.Contains(page, "<img src=x") || strings.Count(page, "<script>") != 1 {
		t.Error("a hostile name is not escaped")
	}
	for _, want := range []string{`default-src &#39;none&#39;`, "ktrap trace &#39;unix_sample+0x4&#39;", ">jump label<", "in a loop", "net/unix/sample.c:10"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

func TestAPageAsksForNothingElse(t *testing.T) {
	page := pageOf(t, sample())
	for _, never := range []string{"http://", "https://", "<link", "@import", "url(http"} {
		if strings.Contains(strings.ReplaceAll(page, "http-equiv", ""), never) {
			t.Errorf("the page has %s", never)
		}
	}
}

func TestNothingToShowIsAnError(t *testing.T) {
	if err := WriteDisassembly(new(strings.Builder), &ktrap.Disassembly{Place: "x"}); err == nil {
		t.Error("no error")
	}
}
