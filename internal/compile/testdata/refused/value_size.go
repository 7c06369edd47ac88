package trap

var m map[uint64][10000]uint64 // want value-size at 5

//ktrap:pre vfs_read
func read() {
	emit(1)
}
