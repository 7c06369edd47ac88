package trap

//ktrap:pre vfs_read
func read() {
	recover() // want panic at 2
}
