package trap

//ktrap:pre vfs_read
func read() {
	if pid() { // want type at 5
		emit(1)
	}
}
