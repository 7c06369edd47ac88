package trap

//ktrap:pre vfs_read
func read() {
	emit(pid() << -1) // want shift-range at 16
}
