package trap

//ktrap:pre vfs_read
func read() {
	emit(1)
	x := make(map[uint64]uint64) // want slice at 7
	x[1] = 2
}
