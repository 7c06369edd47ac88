package trap

//ktrap:pre vfs_read
func begin() (a, b, c uint64) { // want result at 14
	return nsecs(), 1, 2
}

//ktrap:ret vfs_read
func end(rv int64) {
	emit(rv)
}
