package trap

//ktrap:pre vfs_read
func read() {
	emit(real(2i)) // want float at 7
}
