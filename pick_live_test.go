//go:build live

package ktrap_test

import (
	"os"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap"
)

// TestAPickIsHitWhereTheFunctionDoesThat makes calls that are known to do each
// once: umask swaps one field, and read calls vfs_read.
func TestAPickIsHitWhereTheFunctionDoesThat(t *testing.T) {
	const calls = 400
	s := open(t)
	swap := swapped(t, "__x64_sys_umask")
	hits := map[string][]*ktrap.Registration{}
	for _, place := range []string{
		"__x64_sys_umask@ret", "__x64_sys_umask@insn(^xchg)", "ksys_read@call(vfs_read)",
		"__x64_sys_umask@load(" + swap + ")", "__x64_sys_umask@store(" + swap + ")",
	} {
		probes, err := s.Probes(place, ktrap.Probe{Quiet: true, PID: uint32(os.Getpid())})
		must(t, err)
		hits[place], err = s.Register(t.Context(), probes...)
		must(t, err)
	}
	zero, err := os.Open("/dev/zero")
	must(t, err)
	defer zero.Close()
	callUmask(calls)
	for range calls {
		if _, err := unix.Read(int(zero.Fd()), make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	must(t, s.Close())
	for place, all := range hits {
		sum := uint64(0)
		for _, r := range all {
			l, err := r.Ledger()
			must(t, err)
			sum += l.Handled
		}
		if sum < calls || sum > calls+calls/4 {
			t.Errorf("%s was hit %d times, want %d", place, sum, calls)
		}
	}
}

// swapped is how far from a pointer the field is that a function swaps.
func swapped(t *testing.T, function string) string {
	t.Helper()
	k, err := ktrap.KernelConfig{}.Open()
	must(t, err)
	defer k.Close()
	code, err := k.Disassemble(function+"@insn(^xchg)", ktrap.Disassembler{})
	must(t, err)
	offset := regexp.MustCompile(`0x[0-9a-f]+\(`).FindString(code.Lines[0].Text)
	return offset[:len(offset)-1]
}

func TestAPickThatChoosesNothingSaysWhatThereIs(t *testing.T) {
	s := open(t)
	_, err := s.Probes("ksys_read@call(vfs_write)", ktrap.Probe{})
	want := regexp.MustCompile(`^ksys_read@call\(vfs_write\): vfs_write is not called in it: it calls .*\bvfs_read\b`)
	if err == nil || !want.MatchString(err.Error()) {
		t.Errorf("got %v", err)
	}
}
