package attach

import (
	"errors"

	"golang.org/x/sys/unix"
)

// meanings says what the kernel means by an errno when it refuses a probe.
var meanings = map[unix.Errno]string{
	unix.EINVAL:        "it changes this instruction itself (a jump label, a static call, a BUG), or keeps the function from being traced",
	unix.EILSEQ:        "it decodes no instruction that starts here, or one that is a trap itself",
	unix.EOPNOTSUPP:    "the instruction can't be executed from another place (a far jump, an iret, a branch through memory)",
	unix.ENOENT:        "no such function, or its module is going away",
	unix.ENODEV:        "the function's module is going away",
	unix.EADDRNOTAVAIL: "several functions have this name",
	unix.EBUSY:         "something else has changed this function's entry",
	unix.EEXIST:        "the same program is attached here already",
	unix.E2BIG:         "too many programs are attached here",
	unix.EPERM:         "this process may not, or the kernel is locked down",
	unix.EACCES:        "this process may not",
	unix.ENOMEM:        "it has no memory left for it",
	unix.ENOSPC:        "it has no room left for it",
	unix.EMFILE:        "this process has no file descriptor left: raise the limit with ulimit -n",
	unix.ENFILE:        "the machine has no file descriptor left",
	unix.Errno(524):    "this kernel has no such probes for this function", // ENOTSUPP
}

// meaning is what err says in words.
func meaning(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) && meanings[errno] != "" {
		return meanings[errno] + " (" + unix.ErrnoName(errno) + ")"
	}
	return err.Error()
}
