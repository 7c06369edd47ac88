//go:build live

package ktrap_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"ktrap"
)

const reading = `package trap

var only uint32

//ktrap:pre __x64_sys_umask
func enter(regs *pt_regs) {
	if pid() == only {
		emit(*user(cast[uint64](regs.di)), cast[task_struct](regs.di).comm, str(user(cast[uint8](regs.di))))
	}
}

//ktrap:fault __x64_sys_umask
func failed(t *trap) {
	emit(t.addr, t.nr, t.user)
}
`

// TestAScriptIsToldOfReadsThatFail passes umask addresses: what can be read, what the
// process has no access to, and what is no address. The handler takes a trampoline,
// whose plain loads would tell nothing.
func TestAScriptIsToldOfReadsThatFail(t *testing.T) {
	pages, err := unix.Mmap(-1, 0, 2*4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	must(t, err)
	copy(pages, "some text")
	must(t, unix.Mprotect(pages[4096:], unix.PROT_NONE))
	readable := uint64(uintptr(unsafe.Pointer(&pages[0])))
	const none = uint64(0xaaaa_aaaa_aaaa_0000)
	f := ktrap.HandlerFile{Name: "reading.go", Text: []byte(reading), Set: map[string]string{"only": fmt.Sprint(os.Getpid())}}
	events, _, ledgers := run(t, f, func() {
		unix.Umask(0)
		for _, addr := range []uint64{readable, readable + 4096, none} {
			unix.RawSyscall(unix.SYS_UMASK, uintptr(addr), 0, 0)
		}
		unix.Umask(0o22)
	})
	var got []string
	for _, ev := range events {
		sent := ev.Emitted()
		switch {
		case ev.Kind == ktrap.Pre:
			got = append(got, fmt.Sprintf("read %x %q", sent[0].Bits, sent[2].Text))
		case sent[2].Bits != 0:
			got = append(got, fmt.Sprintf("%v #%d at the process's %x", ev.Kind, sent[1].Bits, sent[0].Bits&0xfff))
		default:
			got = append(got, fmt.Sprintf("%v #%d", ev.Kind, sent[1].Bits))
		}
	}
	failing := func(at, nr int) []string {
		process := fmt.Sprintf("fault #14 at the process's %x", at)
		return []string{process, `read 0 ""`, fmt.Sprintf("fault #%d", nr), process}
	}
	want := slices.Concat(failing(0, 14), []string{`read 78657420656d6f73 "some text"`, "fault #14"}, failing(0, 14), failing(0, 13), failing(0o22, 14))
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if l := ledgers[0]; l.Full != 0 || l.Delivered != uint64(len(events)) {
		t.Errorf("%+v", l)
	}
}
