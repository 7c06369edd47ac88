package trap

//ktrap:pre vfs_read
func read() {
	emit(nothing) // want undefined at 7
}
