package trap

//ktrap:pre vfs_read
func begin() uint64 { // want result at 14
	return nsecs()
}

//ktrap:ret vfs_write
func end(rv int64) {
	emit(rv)
}
