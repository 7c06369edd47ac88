package trap

//ktrap:pre vfs_read
func read() {
	panic("no") // want panic at 2
}
