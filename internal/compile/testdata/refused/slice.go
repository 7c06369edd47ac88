package trap

var list []uint64 // want slice at 10

//ktrap:pre vfs_read
func read() {
	emit(1)
}
