package trap

//ktrap:pre vfs_read
func read() {
	emit(current().tgid) // want unknown-type at 7
}
