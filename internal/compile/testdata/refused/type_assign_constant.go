package trap

const size = 2

//ktrap:pre vfs_read
func read() {
	size = 3 // want type at 2
	emit(size)
}
