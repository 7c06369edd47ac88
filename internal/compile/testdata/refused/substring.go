package trap

//ktrap:pre vfs_read
func read() {
	emit(comm()[1:3]) // want slice at 7
}
