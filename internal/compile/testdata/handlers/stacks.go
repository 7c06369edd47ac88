// Counts by stack, of the kernel and of the process.
package trap

type where struct {
	pid          uint32
	kernel, user stack
}

var callers map[stack]uint64
var both map[where]uint64

//ktrap:pre vfs_fsync_range
func fsync() {
	callers[kstack()]++
	both[where{pid(), kstack(), ustack()}]++
}
