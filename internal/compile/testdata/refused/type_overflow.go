package trap

//ktrap:pre vfs_read
func read() {
	x := uint8(300) // want type at 13
	emit(x)
}
