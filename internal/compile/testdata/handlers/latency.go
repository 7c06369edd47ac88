// How long vfs_write takes: the entry's time is kept by thread, the return adds
// the difference to a histogram.
package trap

var begun map[uint32]uint64
var micros hist

//ktrap:pre vfs_write
func begin() { begun[tid()] = nsecs() }

//ktrap:ret vfs_write
func end(n int64) {
	if t, ok := begun[tid()]; ok {
		micros.add((nsecs() - t) / 1000)
		delete(begun, tid())
	}
}
