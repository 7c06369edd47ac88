// Waits and wakes of locks in user space, by operation.
package trap

var operations map[int32]uint64

//ktrap:pre do_futex
func futex(op int32, val uint32) {
	if comm() == "corpus" {
		operations[op&0x7f] += uint64(val)
	}
}
