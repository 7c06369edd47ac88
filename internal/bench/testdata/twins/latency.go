// How long a function takes: from entry to return, kept by thread.
package trap

var (
	begun  map[uint32]uint64
	micros hist
)

//ktrap:pre vfs_read
func begin() { begun[tid()] = nsecs() }

//ktrap:ret vfs_read
func end(n int64) {
	if t, ok := begun[tid()]; ok {
		micros.add((nsecs() - t) / 1000)
		delete(begun, tid())
	}
}
