package trap

//ktrap:pre vfs_read
func read() {
	x := pid() // want unused at 2
}
