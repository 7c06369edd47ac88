package trap

//ktrap:pre vfs_read
func read() {
	emit(str(pid())) // want argument at 11
}
