//go:build ignore

// Package words declares what a handler may call besides Go's own.
package words

import "unsafe"

// pid is the id of the process that hit the probe.
func pid() uint32

// tid is the id of the thread that hit the probe.
func tid() uint32

// uid is the id of the process's user.
func uid() uint32

// gid is the id of the process's group.
func gid() uint32

// cpu is the number of the processor.
func cpu() uint32

// nsecs is the time in nanoseconds since boot, without suspends.
func nsecs() uint64

// comm is the name of the thread, at most 15 bytes.
func comm() string

// cgroup is the id of the thread's cgroup.
func cgroup() uint64

// arg is the n-th word of the probed function's arguments, from 0; n is a constant.
func arg(n int) uint64

// retval is what the probed function returned, as a word.
func retval() uint64

// current is the thread that hit the probe.
func current() *task_struct

// str is the text at p, a pointer to char: up to a NUL, at most size-1 bytes (63).
func str(p any, size ...int) string

// user says that p points to memory of the process, not of the kernel.
func user[T any](p *T) *T

// cast makes a pointer to a kernel type of a pointer or a number.
func cast[T any](p any) *T

// emit sends a record of its arguments.
func emit(values ...any)

// printf sends a record that is printed by the format of Go's fmt.
func printf(format string, values ...any)

// A stack is where the thread stands: return addresses, innermost first.
type stack struct{ _ int64 }

// kstack is the kernel's stack.
func kstack() stack

// ustack is the process's stack.
func ustack() stack

// place is the probed place that was hit.
func place() point

// A point is a probed place; it is shown by its name.
type point uint32

// A trap is a read that failed, as a fault handler is told of it.
type trap struct {
	nr   uint32 // as the processor numbers it: 14 for a page fault, 13 for what can be no address
	addr uint64
	user bool // it was the process's memory
}

// A hist counts values by powers of two, or by steps of one width.
type hist struct{ _ [65]uint64 }

// add counts v.
func (h hist) add(v any)

// linear counts v by steps from least up to most, which are constants as step is;
// what is below and what is not below most is counted as such.
func (h hist) linear(v any, least, most, step int)

// A stat tells of values how many there were, their sum, the least and the
// greatest. They are taken as int64.
type stat struct{ _ [4]uint64 }

// add takes v in.
func (s stat) add(v any)

type _ = unsafe.Pointer
