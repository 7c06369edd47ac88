package trap

//ktrap:pre vfs_read
func read() {
	emit(arg(6)) // want argument at 11
}
