package trap

//ktrap:pre vfs_read
func read() {
	emit(comm() + "x") // want string-op at 7
}
