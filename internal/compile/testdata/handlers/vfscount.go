// Calls of a family of functions, by who calls: a pattern as a place, a program's
// name as a key. (vfscount of BCC.)
package trap

var calls map[string]uint64

//ktrap:pre vfs_fsync*
func call() { calls[comm()]++ }
