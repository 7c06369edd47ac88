package trap

//ktrap:pre vfs_read
func read() {
	x := pid()
	emit(&x) // want address-of at 7
}
