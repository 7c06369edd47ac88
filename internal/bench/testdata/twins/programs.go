// How often each program does it: the smallest handler that is of use.
package trap

var calls map[string]uint64

//ktrap:pre vfs_read
func read() { calls[comm()]++ }
