package trap

//ktrap:pre vfs_read
func read() {
	emit(pdi()) // want undefined at 7
}
