package kernel

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"ktrap/internal/facts"
)

func TestAbsentBPFIsToldFromForbiddenBPF(t *testing.T) {
	forbidden := no("a seccomp filter forbids bpf()", "run it outside of the container, or allow the call there")
	if a := Gather(facts.Privileges).Features[facts.Privileges]; a.State == facts.No {
		forbidden = unknown(a.Why, a.Mend)
	}
	for errno, want := range map[unix.Errno]facts.Answer{
		unix.ENOSYS: no("this kernel has no bpf() (CONFIG_BPF_SYSCALL)", "use a kernel with CONFIG_BPF_SYSCALL and CONFIG_BPF_EVENTS"),
		unix.EPERM:  forbidden,
	} {
		if diff := cmp.Diff(want, answerUnderFilter(t, errno)); diff != "" {
			t.Errorf("bpf() fails with %v: -want +got\n%s", errno, diff)
		}
	}
}

const filterEnv, filteredEnv = "KTRAP_TEST_FILTER", "KTRAP_TEST_FILTERED"

// answerUnderFilter asks for facts.BPF in a process whose bpf() fails.
func answerUnderFilter(t *testing.T, errno unix.Errno) (a facts.Answer) {
	t.Helper()
	self := exec.Command(os.Args[0])
	self.Env = append(os.Environ(), filterEnv+"="+strconv.Itoa(int(errno)))
	out, err := self.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := json.Unmarshal(out, &a); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return a
}

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(filteredEnv) != "":
		json.NewEncoder(os.Stdout).Encode(Gather(facts.BPF).Features[facts.BPF])
	case os.Getenv(filterEnv) != "":
		panic(execUnderFilter(os.Getenv(filterEnv)))
	default:
		os.Exit(m.Run())
	}
}

// execUnderFilter starts this program again: a filter is a thread's own, until
// it is the only one.
func execUnderFilter(errno string) error {
	number, err := strconv.ParseUint(errno, 10, 16)
	if err != nil {
		return err
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_BPF, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(number)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return err
	}
	return syscall.Exec(os.Args[0], os.Args[:1], append(os.Environ(), filteredEnv+"=1"))
}
