package trap

var big [1 << 20]uint64 // want value-size at 5

//ktrap:pre vfs_read
func read() {
	emit(1)
}
