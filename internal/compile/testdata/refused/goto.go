package trap

//ktrap:pre vfs_read
func read() {
again:
	goto again // want goto at 2
}
