package kernel

import "os"

// InPIDNamespace tells whether process ids that this process knows differ from
// those that the kernel records.
func InPIDNamespace() bool {
	// PROC_PID_INIT_INO of include/linux/proc_ns.h: the machine's own namespace.
	const own = "pid:[4026531836]"
	ns, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && ns != own
}
