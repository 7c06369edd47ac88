package trap

//ktrap:pre vfs_read
func read() {
	break // want type at 2
}
