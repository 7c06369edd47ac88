package trap

//ktrap:pre vfs_read
func read() {
	emit(pid() % 0) // want divide-by-zero at 15
}
