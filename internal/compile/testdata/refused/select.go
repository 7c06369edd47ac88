package trap

//ktrap:pre vfs_read
func read() {
	select {} // want channel at 2
}
