package trap

//ktrap:pre vfs_read
func read() {
	emit(retval()) // want context at 7
}
