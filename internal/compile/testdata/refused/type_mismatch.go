package trap

//ktrap:pre vfs_read
func read() {
	x := pid()
	x = "a" // want type at 6
	emit(x)
}
